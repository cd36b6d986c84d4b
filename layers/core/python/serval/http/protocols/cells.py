"""Cells of a table: values of JSON, or texts of CSV, as the elements of an input."""

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from serval.errors import InvalidTensor
from serval.models.signature import TensorSpec
from serval.models.tensor import DATATYPES, NON_FINITE, Array
from serval.protocol.binary_tensors import bytes_array
from serval.protocol.json_values import narrow, wrong_element
from serval.short_repr import short_repr
from serval.tasks.table.cells import is_number

EXACT = 2**53
"""Whole numbers up to this are exact as FP64; this itself may have been another one."""
NUMBERS = "fiu"
INTEGER = re.compile(r"\s*[+-]?[0-9]{1,20}\s*")


def fit_array(spec: TensorSpec, numbers: Array) -> Array:
    """Convert numbers to an input's datatype.

    Raises
    ------
    InvalidTensor
        If the datatype cannot hold one of them.
    """
    dtype = DATATYPES[spec.datatype]
    if spec.datatype == "BF16" or dtype.kind not in NUMBERS:
        raise InvalidTensor(spec.name, f"numbers given, {spec.datatype} expected")
    if numbers.dtype.kind == "b":
        numbers = numbers.astype(np.uint8)
    if dtype.kind in "iu" and numbers.dtype.kind == "f":
        whole = np.isfinite(numbers) & (np.trunc(numbers) == numbers) & (np.abs(numbers) <= EXACT)
        if not whole.all():
            worst = numbers[~whole].flat[0]
            raise InvalidTensor(spec.name, f"{worst} given, an integer expected")
        numbers = numbers.astype(np.int64)
    return narrow(spec.name, spec.datatype, dtype, numbers)


def read_column(spec: TensorSpec, cells: Sequence[Any]) -> Array:
    """Read the cells of a column: values of JSON, or texts of CSV; an empty cell is NaN."""
    if spec.datatype == "BYTES":
        texts = [_read_text(spec, index, cell) for index, cell in enumerate(cells)]
        return bytes_array(texts, (len(texts),))
    if spec.datatype == "BOOL":
        return np.array([_read_bool(spec, i, cell) for i, cell in enumerate(cells)], np.bool_)
    if DATATYPES[spec.datatype].kind in "iu":
        return _fit_integers(spec, [_read_integer(spec, i, cell) for i, cell in enumerate(cells)])
    numbers = [_read_number(spec, index, cell) for index, cell in enumerate(cells)]
    return fit_array(spec, np.array(numbers, np.float64))


def _fit_integers(spec: TensorSpec, numbers: Sequence[int]) -> Array:
    try:
        return np.array(numbers, DATATYPES[spec.datatype])
    except OverflowError:
        limits = np.iinfo(DATATYPES[spec.datatype])
        worst = next(one for one in numbers if not limits.min <= one <= limits.max)
        raise InvalidTensor(
            spec.name, f"{short_repr(worst)} does not fit {spec.datatype}"
        ) from None


def _read_integer(spec: TensorSpec, index: int, cell: Any) -> int:
    """Read a whole number, in whatever form it has; none beyond 64 bits is lost here."""
    if type(cell) is int:
        return cell
    if isinstance(cell, str) and INTEGER.fullmatch(cell):
        return int(cell)
    number = _read_number(spec, index, cell)
    if not number.is_integer() or abs(number) >= EXACT:
        raise wrong_element(spec.name, spec.datatype, index, cell, "an integer")
    return int(number)


def _read_number(spec: TensorSpec, index: int, cell: Any) -> float:
    """Read a number; an empty cell is NaN."""
    if cell is None or cell == "":
        return math.nan
    if isinstance(cell, str):
        if cell in NON_FINITE:
            return NON_FINITE[cell]
        if is_number(cell):
            return float(cell)
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        raise wrong_element(spec.name, spec.datatype, index, cell, "a number")
    return float(cell)


def _read_text(spec: TensorSpec, index: int, cell: Any) -> bytes:
    if not isinstance(cell, str):
        raise wrong_element(spec.name, spec.datatype, index, cell, "a string")
    return cell.encode()


def _read_bool(spec: TensorSpec, index: int, cell: Any) -> bool:
    found = {"true": True, "false": False}.get(cell.lower()) if isinstance(cell, str) else cell
    if not isinstance(found, bool):
        raise wrong_element(spec.name, spec.datatype, index, cell, "true or false")
    return found
