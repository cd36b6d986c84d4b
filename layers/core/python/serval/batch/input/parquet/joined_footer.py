"""One Parquet footer for the bodies of several files, which stay as they are.

Files of one schema are put together without touching what they hold: their bodies one behind the
other, then one footer with all of their row groups, each offset moved.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from serval.batch.input.parquet.footer import (
    COLUMN_ORDERS,
    GROUPS,
    KEY_VALUES,
    MAGIC,
    ROWS,
    SCHEMA,
    VERSION,
    Footer,
    NotParquet,
    unreadable,
)
from serval.batch.input.parquet.thrift import I32, I64, LIST, STRUCT, Listed, Struct, Typed
from serval.batch.input.parquet.thrift import written as write_struct
from serval.batch.input.parquet.thrift_places import (
    behind,
    header_at,
    integer_at,
    list_at,
    list_header,
    zigzag,
)

MOVED, LEFT_OUT = "moved", "left out"
Change = str | Mapping[int, Any]
"""What becomes of a field: its offset is moved, it is left out, or changes are within it."""
META_CHANGES: Mapping[int, Change] = {9: MOVED, 10: MOVED, 11: MOVED, 14: MOVED}
"""Of the data, the index and the dictionary pages, and the bloom filter."""
CHUNK_CHANGES: Mapping[int, Change] = {2: MOVED, 3: META_CHANGES, 4: MOVED, 6: MOVED}
GROUP_CHANGES: Mapping[int, Change] = {1: CHUNK_CHANGES, 5: MOVED, 7: LEFT_OUT}
"""A row group's number is another one in the new file."""


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
        if footer.elements != self._first.elements:
            raise NotParquet("its columns differ from those before it")
        if not footer.rows:
            return
        self._rows += footer.rows
        with unreadable():
            count, _, at = list_at(footer.data, footer.groups_at)
            for _ in range(count):
                out = bytearray()
                at = _move_struct(footer.data, at, out, GROUP_CHANGES, moved)
                self._groups.append(bytes(out))
                self.size_bytes += len(out)

    def end(self) -> bytes:
        """Give the end of the new file: footer, length and magic.

        Raises
        ------
        NotParquet
            If there is nothing to put together.
        """
        if self._first is None:
            raise NotParquet("there is nothing to put together")
        tail = self._first.tail()
        kept = {name: tail[name] for name in (COLUMN_ORDERS, KEY_VALUES) if name in tail}
        return written_footer(self._first.elements, self._rows, self._groups, kept)


def written_footer(
    elements: tuple[Struct, ...], rows: int, groups: list[bytes], tail: Struct
) -> bytes:
    """Write a footer, its length and the magic."""
    fields: Struct = {
        VERSION: Typed(I32, 2),
        SCHEMA: Typed(LIST, Listed(STRUCT, list(elements))),
        ROWS: Typed(I64, rows),
        GROUPS: Typed(LIST, Listed(STRUCT, groups)),
    }
    body = write_struct(fields | tail)
    return body + struct.pack("<I", len(body)) + MAGIC


def _move_struct(
    data: bytes, at: int, out: bytearray, changes: Mapping[int, Change], by: int
) -> int:
    """Write a struct with its offsets moved; give what is behind it in the data."""
    name = last = 0
    while data[at]:
        name, kind, at = header_at(data, at, name)
        change = changes.get(name)
        if change == LEFT_OUT:
            at = behind(data, at, kind)
            continue
        step = name - last
        last = name
        out += bytes([step << 4 | kind]) if 0 < step < 16 else bytes([kind]) + zigzag(name)
        if change is None:
            start, at = at, behind(data, at, kind)
            out += data[start:at]
        else:
            at = _move_value(data, at, kind, out, change, by)
    out.append(0)
    return at + 1


def _move_value(data: bytes, at: int, kind: int, out: bytearray, change: Change, by: int) -> int:
    if isinstance(change, str):
        value, at = integer_at(data, at)
        # One that is 0 says that there is nothing.
        out += zigzag(value + by if value > 0 else value)
        return at
    if kind == STRUCT:
        return _move_struct(data, at, out, change, by)
    count, inner, at = list_at(data, at)
    out += list_header(count, inner)
    for _ in range(count):
        at = _move_struct(data, at, out, change, by)
    return at
