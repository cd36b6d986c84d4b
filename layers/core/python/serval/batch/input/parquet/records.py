"""Parquet records: polars reads a file on disk in slices of rows.

polars opens only the pages that a slice needs, so slices of one row group cost little more than the
row group at once.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import polars as pl

from serval.batch.input.cast import fill_missing, input_tensor
from serval.batch.input.columns import InputColumns
from serval.batch.input.moments import MOMENTS, drop_long_years, write_iso
from serval.batch.input.parquet.column_types import cast_to_types
from serval.batch.input.parquet.list_columns import ListColumn
from serval.batch.input.partition_columns import Partition, add_partition
from serval.batch.input.records import Reject, Rows, shorten_record
from serval.batch.input.typed_columns import convert_column, is_null, show_value, why_unfit
from serval.errors import BatchRefused
from serval.foreign import refusing
from serval.models.signature import TensorSpec
from serval.models.tensor import Array, Tensor

SLICE_BYTES = 64 * 2**20
"""Size in memory of a slice's columns, as far as the footer tells."""
TEXT_BYTES = 16 * 2**20
"""Text of a slice, which the footer does not tell: a repeated text is stored once."""


@dataclass(frozen=True, slots=True)
class ParquetRecords:
    """Reads slices of one file; a block has no bytes, and its first record says where it begins."""

    path: Path
    first: int
    """Number in the object of the file's first row."""
    end: int
    """Number after the last row to read."""
    block_rows: int
    specs: Sequence[TensorSpec]
    inputs: Sequence[InputColumns]
    """Inputs whose elements lie in columns of their own."""
    lists: Mapping[str, str] = field(default_factory=dict)
    """Inputs whose elements are one column of lists."""
    joined: Sequence[str] = ()
    row_bytes: float = 0.0
    """Mean size of a row in the file."""
    times: str = ""
    """Unit in which dates and times are counted for inputs that take numbers."""
    joined_types: str = ""
    """Types of the joined columns, where files have different ones."""
    plain: bool = False
    """Whether dates and times are joined as text, which the output format requires."""
    partition: Partition = field(default_factory=dict)
    """Columns whose values are in the file's key."""
    frame: pl.DataFrame | None = None
    """The slice, once it is read."""

    def slices(self, start: int) -> Iterator[tuple[int, int, "ParquetRecords"]]:
        """Read slices from a row on; yield each with its first row and the row after its last."""
        for first in range(start, self.end, self.block_rows):
            frame = self._frame(first)
            for at, behind in cut_by_bytes(text_bytes(frame), TEXT_BYTES):
                own = replace(self, frame=frame[at:behind])
                yield first + at, first + behind, own

    def read(self, block: bytes, first_record: int, offset: int) -> Rows:
        """Read the slice that begins with this row."""
        frame = self._frame(first_record) if self.frame is None else self.frame
        with self._readable(first_record, first_record + len(frame)):
            return self._rows(frame, first_record)

    def _rows(self, frame: pl.DataFrame, first_record: int) -> Rows:
        faults: dict[int, str] = {}
        lists = [
            ListColumn(spec, frame[self.lists[spec.name]], self.times)
            for spec in self.specs
            if spec.name in self.lists
        ]
        for each in lists:
            each.find_faults(faults)
        read = {
            column: self._convert(frame[column], planned.spec)
            for planned in self.inputs
            for column in planned.columns
        }
        self._find_faults(frame, read, faults)
        passed = self._select_joined(frame, faults)
        fits = np.ones(len(frame), np.bool_)
        fits[list(faults)] = False
        rejects = tuple(
            Reject(first_record + row, None, reason, shorten_record(_show_row(frame, row)))
            for row, reason in sorted(faults.items())
        )
        if rejects:
            mask = pl.Series(fits)
            read = {column: values.filter(mask) for column, values in read.items()}
            passed = None if passed is None else passed.filter(mask)
        count = int(fits.sum())
        by_name = {
            planned.spec.name: _tensor(planned, [read[c] for c in planned.columns], count)
            for planned in self.inputs
        } | {each.spec.name: each.tensor(fits) for each in lists}
        return Rows(
            tuple(by_name[spec.name] for spec in self.specs),
            count,
            first_record,
            np.flatnonzero(fits) if rejects else None,
            rejects,
            passed,
            read_bytes=round(self.row_bytes * len(fits)),
        )

    def _frame(self, first: int) -> pl.DataFrame:
        needed = {column for planned in self.inputs for column in planned.columns}
        needed |= {*self.lists.values(), *self.joined}
        needed -= self.partition.keys()
        rows = min(self.block_rows, self.end - first)
        with self._readable(first, first + rows):
            lazy = pl.scan_parquet(self.path, glob=False)
            frame = lazy.select(sorted(needed)).slice(first - self.first, rows).collect()
        if len(frame) != rows:
            raise BatchRefused(f"rows {first} to {first + rows}: there are {len(frame)} of them")
        return add_partition(frame, self.partition)

    def _readable(self, first: int, behind: int) -> AbstractContextManager[None]:
        return refusing(
            lambda said: BatchRefused(f"rows {first} to {behind} cannot be read: {said}")
        )

    def _select_joined(self, frame: pl.DataFrame, faults: dict[int, str]) -> pl.DataFrame | None:
        if not self.joined:
            return None
        passed = frame.select(self.joined)
        if self.plain:
            return moments_to_text(passed, faults)
        for column in passed:
            if isinstance(column.dtype, pl.Datetime) and column.dtype.time_unit == "ns":
                note_lost_moments(drop_long_years(column), column, faults)
        own = passed.drop(self.partition.keys(), strict=False)
        return cast_to_types(own, self.joined_types).with_columns(
            passed[name] for name in self.joined if name in self.partition
        )

    def _convert(self, column: pl.Series, spec: TensorSpec) -> pl.Series:
        found = convert_column(column, spec.datatype, self.times)
        return fill_missing(found, column, spec.datatype) if spec.may_miss else found

    def _find_faults(
        self, frame: pl.DataFrame, read: Mapping[str, pl.Series], faults: dict[int, str]
    ) -> None:
        for planned in self.inputs:
            for name in planned.columns:
                column = frame[name]
                for row in map(int, np.flatnonzero(read[name].is_null().to_numpy())):
                    reason = (
                        f"column {name!r} is null"
                        if is_null(column, row)
                        else f"column {name!r}: "
                        f"{why_unfit(column, row, planned.spec.datatype, self.times)}"
                    )
                    faults.setdefault(row, reason)


def moments_to_text(frame: pl.DataFrame, faults: dict[int, str]) -> pl.DataFrame:
    """Write dates and times as text; note the reason for rows where that is impossible."""
    columns = []
    for column in frame:
        if not isinstance(column.dtype, MOMENTS):
            columns.append(column)
            continue
        text = write_iso(column)
        note_lost_moments(text, column, faults)
        columns.append(text)
    return pl.DataFrame(columns)


def note_lost_moments(found: pl.Series, column: pl.Series, faults: dict[int, str]) -> None:
    """Note rows whose moment was lost in a conversion."""
    for row in map(int, np.flatnonzero((found.is_null() & column.is_not_null()).to_numpy())):
        faults.setdefault(row, f"column {column.name!r}: {why_unfit(column, row, 'BYTES')}")


def rows_per_slice(block_rows: int, decoded_bytes: float) -> int:
    """Return how many rows are read at once, at least one."""
    return max(1, min(block_rows, int(SLICE_BYTES / max(decoded_bytes, 1.0))))


def text_bytes(frame: pl.DataFrame) -> Array:
    """Return the bytes of text in each row."""
    sizes = np.zeros(len(frame), np.int64)
    for column in frame:
        if column.dtype == pl.String:
            sizes += column.str.len_bytes().fill_null(0).to_numpy()
        elif column.dtype == pl.Binary:
            sizes += column.bin.size().fill_null(0).to_numpy()
    return sizes


def cut_by_bytes(sizes: Array, most: int) -> Iterator[tuple[int, int]]:
    """Split rows into runs of at most ``most`` bytes, at least one row each."""
    start, behind = 0, np.cumsum(sizes)
    while start < len(sizes):
        before = int(behind[start - 1]) if start else 0
        end = max(start + 1, int(np.searchsorted(behind, before + most, side="right")))
        yield start, end
        start = end


def _tensor(planned: InputColumns, columns: Sequence[pl.Series], rows: int) -> Tensor:
    if planned.spec.datatype == "BYTES" and any(column.dtype == pl.Binary for column in columns):
        array = np.empty((rows, len(columns)), np.object_)
        for index, column in enumerate(columns):
            array[:, index] = column.cast(pl.Binary).to_list()
        shaped = array.reshape((rows, *planned.extents))
        return Tensor(planned.spec.name, "BYTES", shaped)
    return input_tensor(planned, columns, rows)


def _show_row(frame: pl.DataFrame, row: int) -> str:
    found = {column.name: json_value(column, row) for column in frame}
    return json.dumps(found, default=str, ensure_ascii=False)


def json_value(column: pl.Series, row: int) -> object:
    """Return a value for JSON: a number, text or boolean as it is, others as text."""
    if column.dtype.is_numeric() or column.dtype in (pl.String, pl.Boolean):
        return column[row]
    return None if is_null(column, row) else show_value(column, row)
