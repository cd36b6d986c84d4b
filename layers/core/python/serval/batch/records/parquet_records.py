"""Parquet: rows of a file on disk, read by polars a slice at a time.

polars opens the pages that a slice needs and passes over the others, so that slices of one row
group cost little more than the row group at once.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from serval.batch.columns import InputColumns
from serval.batch.records.casting import cast, tensor, unfit
from serval.batch.records.jsonl_records import Unfit, element, stacked
from serval.batch.records.rows import Reject, Rows, kept
from serval.errors import BatchRefused
from serval.foreign import refusing
from serval.signatures import TensorSpec
from serval.tensors import Array, Tensor


@dataclass(frozen=True, slots=True)
class ParquetRecords:
    """Reads slices of one file; a block has no bytes, its first record says where it begins."""

    path: Path
    end: int
    """One behind the last row that is to be read."""
    block_rows: int
    specs: Sequence[TensorSpec]
    inputs: Sequence[InputColumns]
    """Of the inputs whose elements lie in columns of their own."""
    lists: Mapping[str, str] = field(default_factory=dict)
    """Of the inputs whose elements are one column of lists."""
    joined: Sequence[str] = ()
    row_bytes: float = 0.0
    """Of the file, that a row stands for."""

    def read(self, block: bytes, first_record: int, offset: int) -> Rows:
        """Read the slice that begins with this row."""
        behind = first_record + min(self.block_rows, self.end - first_record)
        with refusing(
            lambda said: BatchRefused(f"rows {first_record} to {behind} cannot be read: {said}")
        ):
            return self._rows(self._frame(first_record), first_record)

    def _rows(self, frame: pl.DataFrame, first_record: int) -> Rows:
        faults: dict[int, str] = {}
        tensors = [self._list(frame, spec, faults) for spec in self.specs if self._is_list(spec)]
        read = {
            column: _cast(frame[column], planned.spec.datatype)
            for planned in self.inputs
            for column in planned.columns
        }
        self._look_for_faults(frame, read, faults)
        fits = np.ones(len(frame), np.bool_)
        fits[list(faults)] = False
        rejects = tuple(
            Reject(first_record + row, None, reason, kept(_shown(frame, row)))
            for row, reason in sorted(faults.items())
        )
        if rejects:
            mask = pl.Series(fits)
            read = {column: values.filter(mask) for column, values in read.items()}
            frame = frame.filter(mask)
        numbers = np.flatnonzero(fits) if rejects else None
        by_name = {
            planned.spec.name: _tensor(planned, [read[c] for c in planned.columns], len(frame))
            for planned in self.inputs
        } | {spec.name: _stack(spec, rows, fits) for spec, rows in tensors}
        return Rows(
            tuple(by_name[spec.name] for spec in self.specs),
            len(frame),
            first_record,
            numbers,
            rejects,
            frame.select(self.joined) if self.joined else None,
            read_bytes=round(self.row_bytes * len(fits)),
        )

    def _frame(self, first: int) -> pl.DataFrame:
        needed = {column for planned in self.inputs for column in planned.columns}
        needed |= {*self.lists.values(), *self.joined}
        rows = min(self.block_rows, self.end - first)
        lazy = pl.scan_parquet(self.path, glob=False)
        return lazy.select(sorted(needed)).slice(first, rows).collect()

    def _is_list(self, spec: TensorSpec) -> bool:
        return spec.name in self.lists

    def _list(
        self, frame: pl.DataFrame, spec: TensorSpec, faults: dict[int, str]
    ) -> tuple[TensorSpec, Sequence[Array]]:
        """Give an input's array for each row; of a row that does not fit the reason is noted."""
        column = frame[self.lists[spec.name]]
        rows: list[Array] = []
        for index, value in enumerate(_values(column, spec)):
            try:
                rows.append(element(spec, value))
            except Unfit as problem:
                faults.setdefault(index, str(problem))
                rows.append(np.empty(0))
        return spec, rows

    def _look_for_faults(
        self, frame: pl.DataFrame, read: Mapping[str, pl.Series], faults: dict[int, str]
    ) -> None:
        for planned in self.inputs:
            for column in planned.columns:
                for row in np.flatnonzero(read[column].is_null().to_numpy()):
                    value = frame[column][int(row)]
                    reason = (
                        f"column {column!r} is null"
                        if value is None
                        else f"column {column!r}: {unfit(value, planned.spec.datatype)}"
                    )
                    faults.setdefault(int(row), reason)


def _cast(column: pl.Series, datatype: str) -> pl.Series:
    """Convert a column; bytes are taken as they are where bytes are wanted."""
    if datatype == "BYTES" and column.dtype == pl.Binary:
        return column
    converted = cast(column, datatype)
    if column.dtype.is_float() and converted.dtype.is_integer():
        # What would be cut off behind the point is no integer.
        same = converted.cast(column.dtype) == column
        return pl.select(pl.when(same).then(converted).otherwise(None)).to_series()
    return converted


def _tensor(planned: InputColumns, columns: Sequence[pl.Series], rows: int) -> Tensor:
    if planned.spec.datatype == "BYTES" and all(column.dtype == pl.Binary for column in columns):
        array = np.empty((rows, len(columns)), np.object_)
        for index, column in enumerate(columns):
            array[:, index] = column.to_list()
        shaped = array.reshape((rows, *planned.extents))
        return Tensor(planned.spec.name, "BYTES", shaped)
    return tensor(planned, columns, rows)


def _values(column: pl.Series, spec: TensorSpec) -> Iterator[Any]:
    """Give a column's lists, as arrays of the input's shape where they have its length."""
    extents = spec.shape[1:]
    fixed = -1 not in extents
    for value in column:
        if value is None:
            yield None
        elif not isinstance(value, pl.Series):
            yield value
        elif fixed and not value.dtype.is_nested() and len(value) == math.prod(extents):
            yield value.to_numpy().reshape(extents) if not value.null_count() else value.to_list()
        else:
            yield value.to_list()


def _stack(spec: TensorSpec, rows: Sequence[Array], fits: Array) -> Tensor:
    chosen = [row for row, fit in zip(rows, fits, strict=True) if fit]
    return Tensor(spec.name, spec.datatype, stacked(chosen, spec))


def _shown(frame: pl.DataFrame, row: int) -> str:
    return json.dumps(frame.row(row, named=True), default=str, ensure_ascii=False)
