"""Footers of Parquet files: which rows lie where, and the footer of several files put together.

A Parquet file ends in a footer, its length and ``PAR1``; readers find every column by the offsets
in the footer. So files of one schema are put together without touching what they hold: their bodies
one behind the other, then one footer with all of their row groups, each offset moved.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from serval.batch.thrift import BINARY, I64, LIST, STRUCT, Listed, NotThrift, Reader, Struct, Typed
from serval.batch.thrift import written as write_struct
from serval.foreign import refusing

MAGIC = b"PAR1"
ENCRYPTED = b"PARE"
TAIL_BYTES = 8
"""Length of the footer, and the magic."""
MOST_FOOTER_BYTES = 256 * 2**20
VERSION, SCHEMA, ROWS, GROUPS, COLUMN_ORDERS = 1, 2, 3, 4, 7
GROUP_COLUMNS, GROUP_ROWS, GROUP_OFFSET, GROUP_ORDINAL = 1, 3, 5, 7
CHUNK_OFFSET, CHUNK_META, OFFSET_INDEX, COLUMN_INDEX = 2, 3, 4, 6
META_PATH, META_BYTES, META_DATA, META_INDEX, META_DICTIONARY, META_BLOOM = 3, 7, 9, 10, 11, 14
REPETITION, NAME, CHILDREN, REPEATED = 3, 4, 5, 2


class NotParquet(Exception):
    """The bytes are no whole Parquet file; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Where one column of a row group lies."""

    column: str
    start: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class RowGroup:
    """Rows that lie together."""

    rows: int
    chunks: tuple[Chunk, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table; one that is nested holds lists or structs."""

    name: str
    nested: bool


@dataclass(frozen=True, slots=True)
class Footer:
    """What a Parquet file says of itself."""

    fields: Struct
    body_end: int
    """First byte behind the data of all row groups: where the footer begins."""

    @property
    def rows(self) -> int:
        """Give the number of rows."""
        return int(self.fields[ROWS].value)

    @property
    def groups(self) -> Iterator[RowGroup]:
        """List the row groups, in order."""
        for group in _elements(self.fields, GROUPS):
            chunks = tuple(map(_chunk, _elements(group, GROUP_COLUMNS)))
            yield RowGroup(int(group[GROUP_ROWS].value), chunks)

    @property
    def columns(self) -> list[Column]:
        """List the table's columns, in order."""
        elements = _elements(self.fields, SCHEMA)
        found, index = [], 1
        for _ in range(_number(elements[0], CHILDREN)):
            element = elements[index]
            nested = _number(element, CHILDREN) > 0 or _number(element, REPETITION) == REPEATED
            found.append(Column(_text(element[NAME]), nested))
            index = _behind(elements, index)
        return found

    @property
    def schema(self) -> Any:
        """Give what must be equal in files that are put together."""
        return self.fields[SCHEMA]


def read_footer(tail: bytes, size: int) -> Footer:
    """Read the footer out of the last bytes of a file of ``size`` bytes.

    Raises
    ------
    NotParquet
        If it is none, or cut short.
    """
    length = footer_length(tail)
    begin = len(tail) - TAIL_BYTES - length
    if length + TAIL_BYTES + len(MAGIC) > size:
        raise NotParquet(f"its footer has {length} bytes, the whole file {size}: it is cut short")
    if begin < 0:
        raise NotParquet(f"its footer has {length} bytes, of which {len(tail)} were read")
    with refusing(lambda said: NotParquet(f"its footer cannot be read: {said}")):
        footer = Footer(Reader(tail, begin).struct(), size - TAIL_BYTES - length)
        problem = "it has no columns" if not footer.columns else _misplaced(footer)
    if problem:
        raise NotParquet(problem)
    return footer


def footer_length(tail: bytes) -> int:
    """Give the length of the footer, from at least the last eight bytes of a file."""
    if len(tail) < TAIL_BYTES or tail[-4:] not in (MAGIC, ENCRYPTED):
        raise NotParquet(
            f"it does not end in {MAGIC.decode()}: it is cut short, or no Parquet file"
        )
    if tail[-4:] == ENCRYPTED:
        raise NotParquet("its footer is encrypted")
    (length,) = struct.unpack("<I", tail[-8:-4])
    if length > MOST_FOOTER_BYTES:
        raise NotParquet(f"its footer has {length} bytes, at most {MOST_FOOTER_BYTES} allowed")
    return int(length)


@dataclass(slots=True)
class JoinedFooter:
    """Makes the footer of a file that holds the bodies of others."""

    _first: Footer | None = None
    _groups: list[bytes] = field(default_factory=list)
    _rows: int = 0
    size_bytes: int = 0

    def add(self, footer: Footer, moved: int) -> None:
        """Add a file whose body was moved: by its place in the new file, less that in its own.

        Raises
        ------
        NotParquet
            If its schema is not that of the first file.
        """
        self._first = self._first or footer
        if footer.schema != self._first.schema:
            raise NotParquet("its columns differ from those before it")
        for group in _elements(footer.fields, GROUPS):
            rows = int(group[GROUP_ROWS].value)
            if rows:
                self._rows += rows
                self._groups.append(write_struct(_moved_group(group, moved)))
                self.size_bytes += len(self._groups[-1])

    def end(self) -> bytes:
        """Give the end of the new file: footer, length and magic.

        Raises
        ------
        NotParquet
            If there is nothing to put together.
        """
        if self._first is None:
            raise NotParquet("there is nothing to put together")
        kept = {VERSION, SCHEMA, COLUMN_ORDERS}
        fields = {name: typed for name, typed in self._first.fields.items() if name in kept}
        fields[ROWS] = Typed(I64, self._rows)
        fields[GROUPS] = Typed(LIST, Listed(STRUCT, self._groups))
        body = write_struct(fields)
        return body + struct.pack("<I", len(body)) + MAGIC


def _moved_group(group: Struct, moved: int) -> Struct:
    columns = [_moved_chunk(chunk, moved) for chunk in _elements(group, GROUP_COLUMNS)]
    kept = {field: typed for field, typed in group.items() if field != GROUP_ORDINAL}
    kept[GROUP_COLUMNS] = Typed(LIST, Listed(STRUCT, columns))
    return _moved(kept, moved, (GROUP_OFFSET,))


def _moved_chunk(chunk: Struct, moved: int) -> Struct:
    offsets = (META_DATA, META_INDEX, META_DICTIONARY, META_BLOOM)
    meta = _moved(chunk[CHUNK_META].value, moved, offsets)
    return _moved(
        {**chunk, CHUNK_META: Typed(STRUCT, meta)},
        moved,
        (CHUNK_OFFSET, OFFSET_INDEX, COLUMN_INDEX),
    )


def _moved(fields: Struct, moved: int, offsets: Sequence[int]) -> Struct:
    """Move offsets; one that is 0 says that there is nothing."""
    return fields | {
        field: Typed(fields[field].kind, fields[field].value + moved)
        for field in offsets
        if field in fields and fields[field].value > 0
    }


def _misplaced(footer: Footer) -> str | None:
    """Say what does not lie where the footer says; None: all of it may."""
    groups = list(footer.groups)
    if footer.rows != sum(group.rows for group in groups):
        return "its row groups do not have the rows that it says"
    if any(group.rows < 0 for group in groups):
        return "a row group has fewer rows than none"
    for chunk in (chunk for group in groups for chunk in group.chunks):
        if chunk.start < 0 or chunk.size_bytes < 0:
            return f"column {chunk.column!r} has {chunk.size_bytes} bytes from {chunk.start} on"
        if chunk.start + chunk.size_bytes > footer.body_end:
            return (
                f"column {chunk.column!r} would end at byte {chunk.start + chunk.size_bytes}, "
                f"its footer begins at {footer.body_end}: it is cut short"
            )
    return None


def _chunk(chunk: Struct) -> Chunk:
    meta: Struct = chunk[CHUNK_META].value
    start = int(meta[META_DATA].value)
    dictionary = _number(meta, META_DICTIONARY)
    path = meta[META_PATH].value.values
    return Chunk(
        path[0].decode(), min(start, dictionary) if dictionary else start, _number(meta, META_BYTES)
    )


def _behind(elements: Sequence[Struct], index: int) -> int:
    """Give the index behind an element of the schema and all that is in it."""
    children = _number(elements[index], CHILDREN)
    index += 1
    for _ in range(children):
        index = _behind(elements, index)
    return index


def _elements(fields: Struct, field: int) -> list[Struct]:
    return list(fields[field].value.values) if field in fields else []


def _number(fields: Struct, field: int) -> int:
    return int(fields[field].value) if field in fields else 0


def _text(typed: Typed) -> str:
    if typed.kind != BINARY:
        raise NotThrift(f"a name of type {typed.kind}")
    return str(typed.value.decode())
