"""Footers of Parquet files: their columns, and where their rows lie.

A Parquet file ends in a footer, its length and ``PAR1``; readers find every column by the offsets
in the footer. A footer may have millions of values, some thirty for each column of each row group,
so they are read once, and only those of the wanted columns are kept.
"""

import struct
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from serval.batch.input.parquet.chunks import Chunk, chunks_at
from serval.batch.input.parquet.thrift import (
    BINARY,
    LIST,
    STRUCT,
    NotThrift,
    Reader,
    Struct,
    TypedValue,
)
from serval.batch.input.parquet.thrift_places import (
    Visit,
    header_at,
    integer_at,
    list_at,
    read_fields,
    skip_value,
)
from serval.foreign import refusing

MAGIC = b"PAR1"
ENCRYPTED = b"PARE"
TAIL_BYTES = 8
"""Length of the footer, and the magic."""
FIRST_READ_BYTES = 65_536
MOST_FOOTER_BYTES = 256 * 2**20
VERSION, SCHEMA, ROWS, GROUPS, KEY_VALUES, COLUMN_ORDERS = 1, 2, 3, 4, 5, 7
GROUP_COLUMNS, GROUP_ROWS = 1, 3
PHYSICAL_TYPE, REPETITION, NAME, CHILDREN = 1, 3, 4, 5
REPEATED, BYTE_ARRAY = 2, 6


class NotParquet(Exception):
    """The bytes are not a complete Parquet file; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class RowGroup:
    """Rows that are stored together, with the chunks of the wanted columns."""

    rows: int
    chunks: tuple[Chunk, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table; a nested one contains lists or structs."""

    name: str
    nested: bool
    elements: tuple[int, int] = (0, 0)
    """Index of its first schema element, and the index after its last."""
    leaves: int = 1
    """Chunks that it has in a row group."""
    texts: bool = False
    """Whether its values are texts or bytes."""


@dataclass(frozen=True, slots=True)
class Footer:
    """A Parquet footer, read up to its row groups."""

    data: bytes = field(repr=False)
    rows: int
    elements: tuple[Struct, ...]
    """The schema: its root, then each element followed by its children."""
    groups_at: int
    body_end: int
    """Offset after the data of all row groups, where the footer begins."""

    def groups(self, wanted: Collection[str] | None = None) -> list[RowGroup]:
        """List the row groups in order, with the chunks of some columns, or of all.

        Raises
        ------
        NotParquet
            If they contradict the footer, or do not lie in the file.
        """
        return self.groups_and_tail(wanted)[0]

    def groups_and_tail(self, wanted: Collection[str] | None) -> tuple[list[RowGroup], Struct]:
        """Read the row groups, and the fields after them."""
        with refuse_unreadable_footer():
            found, at = self._groups(wanted)
        tail = self.tail(at)
        if self.rows != sum(group.rows for group in found):
            raise NotParquet("its row groups do not have the rows that it says")
        if any(group.rows < 0 for group in found):
            raise NotParquet("a row group has fewer rows than none")
        for chunk in (chunk for group in found for chunk in group.chunks):
            self._check(chunk)
        return found, tail

    def _groups(self, wanted: Collection[str] | None) -> tuple[list[RowGroup], int]:
        leaves = [
            column.name if wanted is None or column.name in wanted else None
            for column in self.columns
            for _ in range(column.leaves)
        ]
        read: dict[int, Visit] = {GROUP_COLUMNS: partial(chunks_at, leaves), GROUP_ROWS: integer_at}
        count, _, at = list_at(self.data, self.groups_at)
        found = []
        for _ in range(count):
            group, at = read_fields(self.data, at, read)
            if group.keys() != read.keys():
                raise NotThrift("a row group without rows or columns")
            found.append(RowGroup(group[GROUP_ROWS], group[GROUP_COLUMNS]))
        return found, at

    def tail(self, at: int | None = None) -> Struct:
        """Read the fields after the row groups, which end at ``at``."""
        with refuse_unreadable_footer():
            if at is None:
                at = skip_value(self.data, self.groups_at, LIST)
            return Reader(self.data, at).struct(behind_field=GROUPS)

    @property
    def columns(self) -> list[Column]:
        """The table's columns, in order."""
        found, index = [], 1
        for _ in range(_number(self.elements[0], CHILDREN)):
            element, after = self.elements[index], _index_after(self.elements, index)
            nested = _number(element, CHILDREN) > 0 or _number(element, REPETITION) == REPEATED
            leaves = sum(CHILDREN not in one for one in self.elements[index:after])
            texts = not nested and _number(element, PHYSICAL_TYPE) == BYTE_ARRAY
            found.append(Column(_text(element[NAME]), nested, (index, after), leaves, texts))
            index = after
        return found

    def _check(self, chunk: Chunk) -> None:
        if chunk.start < 0 or chunk.size_bytes < 0:
            raise NotParquet(
                f"column {chunk.column!r} has {chunk.size_bytes} bytes from {chunk.start} on"
            )
        if chunk.start + chunk.size_bytes > self.body_end:
            raise NotParquet(
                f"column {chunk.column!r} would end at byte {chunk.start + chunk.size_bytes}, "
                f"its footer begins at {self.body_end}: it is cut short"
            )


def read_footer(tail: bytes, size: int) -> Footer:
    """Read the footer, up to its row groups, from the last bytes of a file of ``size`` bytes.

    Raises
    ------
    NotParquet
        If it is invalid or truncated.
    """
    length = footer_length(tail)
    begin = len(tail) - TAIL_BYTES - length
    if length + TAIL_BYTES + len(MAGIC) > size:
        raise NotParquet(f"its footer has {length} bytes, the whole file {size}: it is cut short")
    if begin < 0:
        raise NotParquet(f"its footer has {length} bytes, of which {len(tail)} were read")
    with refuse_unreadable_footer():
        footer = _read_start(bytes(tail[begin : begin + length]), size - TAIL_BYTES - length)
        columns = footer.columns
    if not columns:
        raise NotParquet("it has no columns")
    return footer


def _read_start(data: bytes, body_end: int) -> Footer:
    """Read the fields before the row groups."""
    found: dict[int, Any] = {}
    number = at = 0
    while data[at]:
        number, kind, at = header_at(data, at, number)
        if number == GROUPS and not {ROWS, SCHEMA} <= found.keys():
            raise NotThrift("it has row groups before it has columns")
        if number == GROUPS:
            return Footer(data, found[ROWS], found[SCHEMA], at, body_end)
        if number == ROWS:
            found[ROWS], at = integer_at(data, at)
        elif number == SCHEMA:
            found[SCHEMA], at = _elements(data, at)
        else:
            at = skip_value(data, at, kind)
    raise NotThrift("it has no row groups")


def _elements(data: bytes, at: int) -> tuple[tuple[Struct, ...], int]:
    reader = Reader(data, at)
    listed = reader.list()
    if listed.kind != STRUCT:
        raise NotThrift(f"a schema of type {listed.kind}")
    return tuple(listed.values), reader.at


def fetch_footer(size: int, read_tail: Callable[[int], bytes]) -> Footer:
    """Read the footer of a file of ``size`` bytes, with a second read if it is a long one.

    Parameters
    ----------
    read_tail
        Returns the last bytes of the file, as many as asked for.
    """
    tail = read_tail(FIRST_READ_BYTES)
    needed = footer_length(tail) + TAIL_BYTES
    if len(tail) < needed <= size:
        tail = read_tail(needed)
    return read_footer(tail, size)


def footer_length(tail: bytes) -> int:
    """Return the length of the footer, from at least the last eight bytes of a file."""
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


def refuse_unreadable_footer() -> AbstractContextManager[None]:
    """Turn whatever our reader meets in a footer into a ``NotParquet``."""
    return refusing(lambda said: NotParquet(f"its footer cannot be read: {said}"))


def _index_after(elements: tuple[Struct, ...], index: int) -> int:
    """Return the index after a schema element and its children."""
    children = _number(elements[index], CHILDREN)
    index += 1
    for _ in range(children):
        index = _index_after(elements, index)
    return index


def _number(fields: Struct, name: int) -> int:
    return int(fields[name].value) if name in fields else 0


def _text(typed: TypedValue) -> str:
    if typed.kind != BINARY:
        raise NotThrift(f"a name of type {typed.kind}")
    return str(typed.value.decode())
