"""What a shard needs of a Parquet file: byte ranges, and a footer of only its columns and rows.

The plan reads a footer once and stores this for the shards, so that none reads the footer again.
"""

import base64
import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from serval.batch.input.moments import is_known_zone
from serval.batch.input.parquet.arrow_schema import KEY, reduce_schema
from serval.batch.input.parquet.footer import (
    CHILDREN,
    COLUMN_ORDERS,
    KEY_VALUES,
    MAGIC,
    Footer,
    NotParquet,
    RowGroup,
    refuse_unreadable_footer,
)
from serval.batch.input.parquet.joined_footer import write_footer
from serval.batch.input.parquet.thrift import (
    BINARY,
    I32,
    I64,
    LIST,
    STRUCT,
    Struct,
    TypedList,
    TypedValue,
)
from serval.batch.input.parquet.thrift import write_bytes as write_struct
from serval.foreign import refusing

GAP_BYTES = 65_536
"""Gap between two ranges up to which they are read as one: a request takes as long as these."""
ENTRY_KEY, ENTRY_VALUE = 1, 2
Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class NeededRows:
    """Some columns of neighbouring row groups."""

    first: int
    """Number of the first row in the file."""
    rows: int
    ranges: tuple[Range, ...]
    """Byte ranges of the file that contain them."""
    footer: bytes
    """A complete footer, with length and magic, of these columns and row groups."""
    row_bytes: float
    """Mean size of a row in the file."""
    decoded_bytes: float
    """Lower bound of a row's size in memory."""

    def to_json(self) -> dict[str, Any]:
        """Return a line of ``plan/footers.jsonl``."""
        return {
            "first": self.first,
            "rows": self.rows,
            "ranges": [list(each) for each in self.ranges],
            "footer": base64.b64encode(self.footer).decode(),
            "row_bytes": self.row_bytes,
            "decoded_bytes": self.decoded_bytes,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "NeededRows":
        """Read what ``to_json`` returned."""
        ranges = tuple((start, end) for start, end in value["ranges"])
        footer = base64.b64decode(value["footer"])
        read = {"ranges": ranges, "footer": footer}
        return cls(**{**value, **read})


@dataclass(frozen=True, slots=True)
class Needs:
    """A Parquet file's row groups, read once, from which the needs of each shard follow."""

    footer: Footer
    size_bytes: int
    groups: Sequence[RowGroup]
    elements: tuple[Struct, ...]
    tail: Struct

    @classmethod
    def of(cls, footer: Footer, size_bytes: int, columns: Collection[str]) -> "Needs":
        """Look up some columns.

        Raises
        ------
        NotParquet
            If the footer cannot be read, or has two columns of one name.
        """
        names = [column.name for column in footer.columns if column.name in columns]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise NotParquet(f"two of its columns are called {twice[0]!r}")
        groups, tail = footer.groups_and_tail(columns)
        elements = reduce_elements(footer, columns)
        return cls(footer, size_bytes, groups, elements, reduce_tail(footer, tail, columns))

    def rows(self, start: int, end: int) -> NeededRows:
        """Return what rows from ``start`` up to ``end`` need."""
        chosen: list[RowGroup] = []
        first, at = start, 0
        for group in self.groups:
            if at < end and at + group.rows > start:
                first = first if chosen else at
                chosen.append(group)
            at += group.rows
        chunks = [chunk for group in chosen for chunk in group.chunks]
        rows = sum(group.rows for group in chosen)
        return NeededRows(
            first,
            rows,
            tuple(
                merge_ranges([(chunk.start, chunk.start + chunk.size_bytes) for chunk in chunks])
            ),
            write_footer(self.elements, rows, list(map(self._write_group, chosen)), self.tail),
            self.size_bytes / max(1, self.footer.rows),
            sum(chunk.decoded_bytes for chunk in chunks) / max(1, rows),
        )

    def _write_group(self, group: RowGroup) -> bytes:
        chunks = [self.footer.data[slice(*chunk.place)] for chunk in group.chunks]
        fields: Struct = {
            1: TypedValue(LIST, TypedList(STRUCT, chunks)),
            2: TypedValue(I64, sum(chunk.size_bytes for chunk in group.chunks)),
            3: TypedValue(I64, group.rows),
        }
        return write_struct(fields)


def reduce_elements(footer: Footer, columns: Collection[str]) -> tuple[Struct, ...]:
    """Return the schema of some columns."""
    kept = [column for column in footer.columns if column.name in columns]
    root = footer.elements[0] | {CHILDREN: TypedValue(I32, len(kept))}
    return (root, *(one for each in kept for one in footer.elements[slice(*each.elements)]))


def reduce_tail(footer: Footer, tail: Struct, columns: Collection[str]) -> Struct:
    """Return the fields after the row groups, reduced to some columns."""
    found: Struct = {}
    orders = tail.get(COLUMN_ORDERS)
    leaves = [column.name in columns for column in footer.columns for _ in range(column.leaves)]
    with refuse_unreadable_footer():
        if orders is not None and len(orders.value.values) == len(leaves):
            kept = [one for one, is_in in zip(orders.value.values, leaves, strict=True) if is_in]
            found[COLUMN_ORDERS] = TypedValue(LIST, TypedList(STRUCT, kept))
    for entry in tail[KEY_VALUES].value.values if KEY_VALUES in tail else ():
        if entry[ENTRY_KEY].value == KEY and ENTRY_VALUE in entry:
            with refusing(lambda said: NotParquet(f"its Arrow schema cannot be read: {said}")):
                value = reduce_schema(entry[ENTRY_VALUE].value, columns, is_known_zone)
            own = {ENTRY_KEY: TypedValue(BINARY, KEY), ENTRY_VALUE: TypedValue(BINARY, value)}
            found[KEY_VALUES] = TypedValue(LIST, TypedList(STRUCT, [own]))
    return found


def schema_of(footer: Footer, columns: Collection[str]) -> pl.DataFrame:
    """Return some columns without rows, in the types that polars reads them as.

    Raises
    ------
    NotParquet
        If polars does not know a type.
    """
    elements = reduce_elements(footer, columns)
    end = write_footer(elements, 0, [], reduce_tail(footer, footer.tail(), columns))
    with refusing(lambda said: NotParquet(f"its columns cannot be read: {said}")):
        return pl.read_parquet(io.BytesIO(MAGIC + end))


def merge_ranges(ranges: Sequence[Range]) -> list[Range]:
    """Merge ranges that are close to each other."""
    found: list[Range] = []
    for start, end in sorted(ranges):
        if found and start - found[-1][1] <= GAP_BYTES:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found
