"""List columns: each list holds an input's elements for a row."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from serval.batch.input.row_values import Unfit, read_element, stack_rows
from serval.batch.input.typed_columns import convert_column, family_of, is_null, why_unfit
from serval.models.signature import TensorSpec
from serval.models.tensor import DATATYPES, Array, Tensor


@dataclass(slots=True)
class ListColumn:
    """The lists of one input, in a slice of a file."""

    spec: TensorSpec
    column: pl.Series
    times: str = ""
    _rows: list[Array] = field(default_factory=list)
    _together: pl.Series | None = None
    """Elements of all rows, concatenated, if every list has the same length."""
    _lengths: Array | None = None

    def find_faults(self, faults: dict[int, str]) -> None:
        """Note which rows do not fit, and why."""
        if isinstance(self.column.dtype, pl.Array):
            self.column = self.column.arr.to_list()
        inner = getattr(self.column.dtype, "inner", None)
        if inner is not None and family_of(inner) is not None and -1 not in self.spec.shape[1:]:
            self._find_together(faults)
        else:
            self._find_one_by_one(faults)

    def tensor(self, fits: Array) -> Tensor:
        """Return the input of the rows that fit."""
        if self._together is None or self._lengths is None:
            chosen = [row for row, fit in zip(self._rows, fits, strict=True) if fit]
            return Tensor(self.spec.name, self.spec.datatype, stack_rows(chosen, self.spec))
        elements = self._together.filter(pl.Series(np.repeat(fits, self._lengths)))
        shape = (int(fits.sum()), *self.spec.shape[1:])
        return Tensor(
            self.spec.name,
            self.spec.datatype,
            array_of(elements, self.spec.datatype).reshape(shape),
        )

    def _find_together(self, faults: dict[int, str]) -> None:
        name, width = self.spec.name, math.prod(self.spec.shape[1:])
        lengths = self.column.list.len()
        for row in np.flatnonzero(lengths.is_null().to_numpy()):
            faults.setdefault(int(row), f"input {name!r} is null")
        self._lengths = lengths.fill_null(0).to_numpy().astype(np.int64)
        for row in np.flatnonzero((self._lengths != width) & lengths.is_not_null().to_numpy()):
            faults.setdefault(
                int(row),
                f"input {name!r}: shape [{self._lengths[row]}] given, "
                f"{list(self.spec.shape[1:])} expected",
            )
        elements = self.column.explode(empty_as_null=False, keep_nulls=False)
        self._together = convert_column(elements, self.spec.datatype, self.times)
        if not self._together.null_count():
            return
        row_of = np.repeat(np.arange(len(self._lengths)), self._lengths)
        for at in np.flatnonzero(self._together.is_null().to_numpy()):
            said = (
                "an element is null"
                if is_null(elements, int(at))
                else why_unfit(elements, int(at), self.spec.datatype, self.times)
            )
            faults.setdefault(int(row_of[at]), f"input {name!r}: {said}")

    def _find_one_by_one(self, faults: dict[int, str]) -> None:
        for index, value in enumerate(self._values()):
            try:
                self._rows.append(read_element(self.spec, value, exact=True))
            except Unfit as problem:
                faults.setdefault(index, str(problem))
                self._rows.append(np.empty(0))

    def _values(self) -> Iterator[Any]:
        for value in self.column:
            yield value.to_list() if isinstance(value, pl.Series) else value


def array_of(elements: pl.Series, datatype: str) -> Array:
    """Return converted elements as an array."""
    if datatype != "BYTES":
        return elements.to_numpy().astype(DATATYPES[datatype], copy=False)
    found = np.empty(len(elements), np.object_)
    found[:] = elements.cast(pl.Binary).to_list()
    return found
