"""One Parquet footer for the bodies of several files, which stay as they are.

Files of one schema are joined without decoding them: their bodies one after the other, then one
footer with all row groups, each offset moved.
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
    refuse_unreadable_footer,
)
from serval.batch.input.parquet.thrift import I32, I64, LIST, STRUCT, Struct, TypedList, TypedValue
from serval.batch.input.parquet.thrift import write_bytes as write_struct
from serval.batch.input.parquet.thrift_places import (
    header_at,
    integer_at,
    list_at,
    list_header,
    skip_value,
    zigzag,
)

MOVED, LEFT_OUT = "moved", "left out"
Change = str | Mapping[int, Any]
"""What becomes of a field: its offset is moved, it is dropped, or fields within it change."""
META_CHANGES: Mapping[int, Change] = {9: MOVED, 10: MOVED, 11: MOVED, 14: MOVED}
"""Offsets of the data, index and dictionary pages, and of the bloom filter."""
CHUNK_CHANGES: Mapping[int, Change] = {2: MOVED, 3: META_CHANGES, 4: MOVED, 6: MOVED}
GROUP_CHANGES: Mapping[int, Change] = {1: CHUNK_CHANGES, 5: MOVED, 7: LEFT_OUT}
"""The ordinal of a row group is another one in the new file."""


@dataclass(slots=True)
class JoinedFooter:
    """Builds the footer of a file that contains the bodies of others."""

    _first: Footer | None = None
    _groups: list[bytes] = field(default_factory=list)
    _rows: int = 0
    size_bytes: int = 0

    def add(self, footer: Footer, moved: int) -> None:
        """Add a file; ``moved`` is the offset of its body in the new file, less that in its own.

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
        with refuse_unreadable_footer():
            count, _, at = list_at(footer.data, footer.groups_at)
            for _ in range(count):
                out = bytearray()
                at = _move_struct(footer.data, at, out, GROUP_CHANGES, moved)
                self._groups.append(bytes(out))
                self.size_bytes += len(out)

    def end(self) -> bytes:
        """Return the end of the new file: footer, length and magic.

        Raises
        ------
        NotParquet
            If no file was added.
        """
        if self._first is None:
            raise NotParquet("there is nothing to put together")
        tail = self._first.tail()
        kept = {name: tail[name] for name in (COLUMN_ORDERS, KEY_VALUES) if name in tail}
        return write_footer(self._first.elements, self._rows, self._groups, kept)


def write_footer(
    elements: tuple[Struct, ...], rows: int, groups: list[bytes], tail: Struct
) -> bytes:
    """Return a footer with its length and the magic."""
    fields: Struct = {
        VERSION: TypedValue(I32, 2),
        SCHEMA: TypedValue(LIST, TypedList(STRUCT, list(elements))),
        ROWS: TypedValue(I64, rows),
        GROUPS: TypedValue(LIST, TypedList(STRUCT, groups)),
    }
    body = write_struct(fields | tail)
    return body + struct.pack("<I", len(body)) + MAGIC


def _move_struct(
    data: bytes, at: int, out: bytearray, changes: Mapping[int, Change], by: int
) -> int:
    """Copy a struct with its offsets moved; return the place after it in the data."""
    name = last = 0
    while data[at]:
        name, kind, at = header_at(data, at, name)
        change = changes.get(name)
        if change == LEFT_OUT:
            at = skip_value(data, at, kind)
            continue
        step = name - last
        last = name
        out += bytes([step << 4 | kind]) if 0 < step < 16 else bytes([kind]) + zigzag(name)
        if change is None:
            start, at = at, skip_value(data, at, kind)
            out += data[start:at]
        else:
            at = _move_value(data, at, kind, out, change, by)
    out.append(0)
    return at + 1


def _move_value(data: bytes, at: int, kind: int, out: bytearray, change: Change, by: int) -> int:
    if isinstance(change, str):
        value, at = integer_at(data, at)
        # 0 means that there is no such page.
        out += zigzag(value + by if value > 0 else value)
        return at
    if kind == STRUCT:
        return _move_struct(data, at, out, change, by)
    count, inner, at = list_at(data, at)
    out += list_header(count, inner)
    for _ in range(count):
        at = _move_struct(data, at, out, change, by)
    return at
