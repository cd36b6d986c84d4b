"""Cells of a table, as the values of a tensor."""

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from serval.models.tensor import DATATYPES, Array

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none"})
"""Texts that mean, in a column of numbers, that there is none; in any case."""
TRUTH = {"true": 1, "false": 0}


class CellRefused(Exception):
    """A cell is not what its column holds; the message says what is expected."""


def read_cells(datatype: str, values: Sequence[Any], *, imputed: bool) -> Array:
    """Turn the cells of one column into a 1-D array of a datatype.

    Numbers may be given as text. A cell without a value is NaN in a column of floats; in one of
    text it is an empty text if the model imputes it.

    Raises
    ------
    CellRefused
        With the index of the first wrong cell and what is expected there.
    """
    read = reader_of(datatype, imputed=imputed)
    array = np.empty(len(values), DATATYPES[datatype])
    for index, value in enumerate(values):
        try:
            array[index] = read(value)
        except CellRefused as refused:
            raise CellRefused(index, *refused.args) from None
    return array


def reader_of(datatype: str, *, imputed: bool) -> Callable[[Any], Any]:
    """Return the function that reads a cell of a datatype."""
    if datatype == "BYTES":
        return lambda value: read_text(value, imputed=imputed)
    dtype = DATATYPES[datatype]
    if dtype.kind == "f":
        most = float(np.finfo(dtype).max)
        return lambda value: read_float(value, most)
    if dtype.kind == "b":
        return read_truth
    limits = np.iinfo(dtype)
    return lambda value: read_integer(value, int(limits.min), int(limits.max))


def is_missing(value: Any) -> bool:
    """Return whether a cell of a number holds none."""
    if isinstance(value, str):
        return value.strip().casefold() in MISSING
    return value is None or (isinstance(value, float) and math.isnan(value))


def read_float(value: Any, most: float) -> float:
    """Read a number; NaN if there is none."""
    if is_missing(value):
        return math.nan
    number = read_number(value, "a number")
    # Infinity is a number; one that only overflows is not meant to be infinite.
    if abs(number) > most and number not in (math.inf, -math.inf):
        raise CellRefused(f"a number up to {most:.2g} expected")
    return float(number)


def read_integer(value: Any, least: int, most: int) -> int:
    """Read a whole number."""
    number = read_number(value, "a whole number")
    if not least <= number <= most or number != int(number):
        raise CellRefused(f"a whole number from {least} to {most} expected")
    return int(number)


def read_truth(value: Any) -> bool:
    """Read true or false, or 1 or 0."""
    number = read_number(value, "true or false")
    if number not in (0, 1):
        raise CellRefused("true or false expected")
    return bool(number)


def read_number(value: Any, expected: str) -> float | int:
    """Read a number, given as one or as text; true and false are 1 and 0."""
    if isinstance(value, int | float):
        return value
    if isinstance(value, str):
        text = value.strip()
        if text.casefold() in TRUTH:
            return TRUTH[text.casefold()]
        for parse in (int, float) if is_number(text) else ():
            try:
                return parse(text)
            except ValueError:
                continue
    raise CellRefused(f"{expected} expected")


def is_number(text: str) -> bool:
    """Return whether a text is a number as all write them; Python also takes ``1_0``."""
    with suppress(ValueError):
        float(text)
        return text.isascii() and "_" not in text
    return False


def read_text(value: Any, *, imputed: bool) -> bytes:
    """Read a text as UTF-8; a whole number is the text that it is written as."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value).encode()
    if is_missing(value):
        if imputed:
            return b""
        raise CellRefused("a text expected: the model does not fill in missing ones")
    raise CellRefused("a text expected")
