"""Casts from columns of text to the arrays of an input, and which rows do not fit."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from serval.batch.input.columns import InputColumns
from serval.errors import BatchRefused
from serval.models.tensor import DATATYPES, Array, Tensor

CASTS: Mapping[str, type[pl.DataType]] = {
    "UINT8": pl.UInt8,
    "UINT16": pl.UInt16,
    "UINT32": pl.UInt32,
    "UINT64": pl.UInt64,
    "INT8": pl.Int8,
    "INT16": pl.Int16,
    "INT32": pl.Int32,
    "INT64": pl.Int64,
    "FP16": pl.Float32,
    "FP32": pl.Float32,
    "FP64": pl.Float64,
    "BOOL": pl.Boolean,
    "BYTES": pl.String,
}
"""V2 datatype → the polars type that its text is read as."""
MISSING: Mapping[str, float | str] = {
    **dict.fromkeys(("FP16", "FP32", "FP64"), math.nan),
    "BYTES": "",
}
"""V2 datatype → what stands for a missing value, where there is something."""
INFINITY = r"(?i)^\s*[-+]?inf"
TRUTHS = {"true": True, "false": False, "1": True, "0": False}


def cast(column: pl.Series, datatype: str) -> pl.Series:
    """Cast a column; values that are not of the datatype, or too large for it, become null.

    Raises
    ------
    BatchRefused
        If the datatype has no text form.
    """
    if datatype not in CASTS:
        raise BatchRefused(f"inputs of datatype {datatype} have no text form: use Parquet")
    found = _cast(column, datatype)
    return _drop_overflows(found, column, datatype) if DATATYPES[datatype].kind == "f" else found


def _cast(column: pl.Series, datatype: str) -> pl.Series:
    if column.dtype == CASTS[datatype]:
        return column
    if column.dtype != pl.String:
        return column.cast(CASTS[datatype], strict=False)
    if datatype == "BOOL":
        return column.str.strip_chars().str.to_lowercase().replace_strict(
            TRUTHS, default=None, return_dtype=pl.Boolean
        )  # fmt: skip
    found = column.cast(CASTS[datatype], strict=False)
    if found.null_count() > column.null_count():
        found = column.str.strip_chars().cast(CASTS[datatype], strict=False)
    return found


def _drop_overflows(found: pl.Series, column: pl.Series, datatype: str) -> pl.Series:
    """Remove numbers that became infinite; those that were infinite stay."""
    # numpy checks a short column in a tenth of the time of polars, and there may be thousands.
    with np.errstate(over="ignore"):
        found_infinite = np.isinf(found.to_numpy().astype(DATATYPES[datatype], copy=False))
    if not found_infinite.any():
        return found
    infinite = pl.Series(found_infinite)
    if column.dtype == pl.String:
        meant = column.str.contains(INFINITY)
    else:
        meant = column.cast(pl.Float64, strict=False).is_infinite()
    return pl.select(pl.when(~infinite | meant).then(found).otherwise(None)).to_series()


def fill_missing(found: pl.Series, column: pl.Series, datatype: str) -> pl.Series:
    """Return a cast column with what stands for missing values in place of the nulls it had."""
    if datatype not in MISSING or not column.null_count():
        return found
    filler = pl.lit(MISSING[datatype], dtype=found.dtype)
    return pl.select(pl.when(column.is_null()).then(filler).otherwise(found)).to_series()


def describe_misfit(value: object, datatype: str) -> str:
    """Return why a value became null."""
    kind = DATATYPES[datatype].kind
    if (
        kind == "f"
        and pl.Series([value], strict=False).cast(pl.Float64, strict=False)[0] is not None
    ):
        return f"{value!r:.80} does not fit {datatype}"
    return f"{value!r:.80} is no {datatype}"


def has_overflow(narrow: Array, wide: Array) -> bool:
    """Return whether a finite number became infinite."""
    return bool((np.isinf(narrow) & ~np.isinf(wide)).any())


def input_tensor(planned: InputColumns, columns: Sequence[pl.Series], rows: int) -> Tensor:
    """Return the input's array of shape [rows, *extents] from columns without nulls."""
    datatype = planned.spec.datatype
    array = _texts(columns, rows) if datatype == "BYTES" else _numbers(columns, datatype, rows)
    return Tensor(planned.spec.name, datatype, array.reshape((rows, *planned.extents)))


def _numbers(columns: Sequence[pl.Series], datatype: str, rows: int) -> Array:
    wanted = DATATYPES[datatype]
    array = np.empty((rows, len(columns)), wanted)
    for index, column in enumerate(columns):
        array[:, index] = column.to_numpy()
    return array


def _texts(columns: Sequence[pl.Series], rows: int) -> Array:
    array = np.empty((rows, len(columns)), np.object_)
    for index, column in enumerate(columns):
        array[:, index] = [text.encode() for text in column.to_list()]
    return array
