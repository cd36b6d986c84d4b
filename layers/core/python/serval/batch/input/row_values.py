"""The value of an input in one row, read from JSON or from lists of Parquet."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from serval.batch.input.cast import has_overflow
from serval.models.signature import TensorSpec
from serval.models.tensor import DATATYPES, NON_FINITE, Array
from serval.short_repr import short_repr


class Unfit(Exception):
    """A row does not fit the signature."""


def read_element(spec: TensorSpec, value: Any, *, exact: bool = False) -> Array:
    """Return one row's array of an input, or raise ``Unfit``.

    Parameters
    ----------
    exact
        Whether a float must represent whole numbers exactly.
    """
    wanted = spec.shape[1:]
    if spec.datatype == "BYTES":
        texts: Array = np.array(value, dtype=object)
        if not all(isinstance(text, str) for text in texts.ravel()):
            raise _misfit(spec, value, "given, text expected")
        array: Array = np.array([text.encode() for text in texts.ravel()], object)
        array = array.reshape(texts.shape)
    else:
        try:
            found = np.array(value)
            if found.dtype.kind in "UO" and DATATYPES[spec.datatype].kind == "f":
                found = np.array(_read_non_finite(value))
        except ValueError:
            raise Unfit(f"input {spec.name!r}: its rows have unequal lengths") from None
        if found.dtype.kind in "iuf" and _has_truth(value):
            # numpy would read true as 1 beside numbers.
            raise _misfit(spec, value, f"is no {spec.datatype}")
        array = _convert(spec, found, value, exact=exact)
    if wanted == (1,) and array.shape == ():
        array = array.reshape(1)
    if len(array.shape) != len(wanted) or any(
        wish not in (-1, extent) for wish, extent in zip(wanted, array.shape, strict=True)
    ):
        raise Unfit(
            f"input {spec.name!r}: shape {list(array.shape)} given, {list(wanted)} expected"
        )
    return array


def _has_truth(value: Any) -> bool:
    """Return whether true or false is among the elements."""
    if not isinstance(value, list):
        return isinstance(value, bool)
    types = set(map(type, value))
    return bool in types or (list in types and any(map(_has_truth, value)))


def _read_non_finite(value: Any) -> Any:
    """Convert the texts for NaN and infinities that inference requests use."""
    if isinstance(value, list):
        return [_read_non_finite(each) for each in value]
    return NON_FINITE.get(value, value) if isinstance(value, str) else value


def _convert(spec: TensorSpec, found: Array, value: Any, *, exact: bool) -> Array:
    """Convert numbers without changing their meaning."""
    wanted = DATATYPES[spec.datatype]
    fits = {"b": found.dtype.kind == "b", "f": found.dtype.kind in "fiu"}.get(
        wanted.kind, found.dtype.kind in "iu"
    )
    if not fits:
        raise _misfit(spec, value, f"is no {spec.datatype}")
    with np.errstate(over="ignore"):
        array = found.astype(wanted)
    if wanted.kind == "f" and has_overflow(array, found):
        raise _misfit(spec, value, f"does not fit {spec.datatype}")
    if exact and found.dtype.kind in "iu" and not np.array_equal(array.astype(object), found):
        raise _misfit(spec, value, f"does not fit {spec.datatype} exactly")
    if wanted.kind in "iu" and not np.array_equal(array, found):
        raise _misfit(spec, value, f"is out of the range of {spec.datatype}")
    return array


def stack_rows(rows: Sequence[Array], spec: TensorSpec) -> Array:
    """Stack rows; rows of different extents give an array of arrays."""
    if not rows:
        extents = tuple(max(extent, 0) for extent in spec.shape[1:])
        return np.empty((0, *extents), DATATYPES[spec.datatype])
    if len({row.shape for row in rows}) == 1:
        return np.stack(rows)
    ragged = np.empty(len(rows), object)
    ragged[:] = rows
    return ragged


def _misfit(spec: TensorSpec, value: Any, problem: str) -> Unfit:
    return Unfit(f"input {spec.name!r}: {short_repr(value)} {problem}")
