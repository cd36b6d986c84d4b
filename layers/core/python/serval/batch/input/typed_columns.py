"""Conversion of typed columns to the elements of a model's inputs, never with loss.

``TABLE`` maps a column's family and a datatype to a conversion; docs/batch.md has it in words. A
value that the datatype cannot hold becomes null, and ``why_unfit`` explains why.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
import polars as pl

from serval.batch.input.cast import CASTS, cast, describe_misfit
from serval.batch.input.moments import MOMENTS, count_moments, write_iso
from serval.batch.input.records import Unreadable
from serval.errors import BatchRefused
from serval.foreign import refusing
from serval.models.tensor import DATATYPES

Family = Literal["whole", "fraction", "decimal", "truth", "text", "bytes", "moment", "nothing"]
Convert = Callable[[pl.Series, str], pl.Series]
EXACT_UP_TO = {"FP16": 2**11, "FP32": 2**24, "FP64": 2**53}
"""Whole numbers up to these are exact in the datatype."""
SHOWN_CHARACTERS = 80


def convert_column(column: pl.Series, datatype: str, times: str = "") -> pl.Series:
    """Convert a column to a datatype; values that do not fit become null.

    Parameters
    ----------
    times
        Unit in which dates and times are counted for numbers; empty: they do not fit.

    Raises
    ------
    BatchRefused
        If no column can fill the datatype.
    """
    if datatype not in CASTS:
        raise BatchRefused(f"no column fills inputs of datatype {datatype}")
    if isinstance(column.dtype, pl.BaseExtension):
        column = column.ext.storage()
    family, kind = family_of(column.dtype), DATATYPES[datatype].kind.replace("u", "i")
    if family == "moment" and times and kind in "if":
        return _count_units(column, datatype, times)
    convert = TABLE[family].get(kind)
    if convert is None:
        return pl.Series(column.name, [None], dtype=CASTS[datatype]).new_from_index(0, len(column))
    return convert(column, datatype)


def family_of(dtype: pl.DataType) -> Family | None:
    """Return what a column contains; None for lists, structs and other types that fill no input."""
    if dtype.is_integer():
        return "whole"
    if dtype.is_float():
        return "fraction"
    for types, family in FAMILIES.items():
        if isinstance(dtype, types):
            return family
    return None


def why_unfit(column: pl.Series, row: int, datatype: str, times: str = "") -> str:
    """Return why a value does not fit."""
    value = show_value(column, row)
    family = family_of(column.dtype)
    kind = DATATYPES[datatype].kind
    if family == "moment":
        if kind == "O":
            return f"{value} is in no year from 1 to 9999, or no time of a day"
        if times:
            return f"{value} in {times} is no {datatype}"
        return f"{value} is a date or a time, no {datatype}; the job's 'times' says how to count it"
    if kind == "f" and family == "whole":
        return f"{value} does not fit {datatype} exactly"
    if kind == "O":
        return f"{value} is no text; write the column as text"
    return (
        describe_misfit(column[row], datatype)
        if family == "text"
        else _describe_misfit(column, value, datatype)
    )


def is_null(column: pl.Series, row: int) -> bool:
    """Return whether a row has no value."""
    return column.slice(row, 1).null_count() == 1


def show_value(column: pl.Series, row: int) -> str:
    """Show a value, as its stored number if Python cannot represent it."""
    try:
        with refusing(Unreadable):
            value = column[row]
            value = value.to_list() if isinstance(value, pl.Series) else value
    except Unreadable:
        value = column.to_physical()[row]
    text = repr(value) if isinstance(value, str | bytes) else str(value)
    return text[:SHOWN_CHARACTERS]


def _describe_misfit(column: pl.Series, value: str, datatype: str) -> str:
    overflows = DATATYPES[datatype].kind == "f" and family_of(column.dtype) in (
        "fraction",
        "decimal",
    )
    return f"{value} does not fit {datatype}" if overflows else f"{value} is no {datatype}"


def _cast_plainly(column: pl.Series, datatype: str) -> pl.Series:
    return column if column.dtype == CASTS[datatype] else column.cast(CASTS[datatype], strict=False)


def _exact_float(column: pl.Series, datatype: str) -> pl.Series:
    """Convert whole numbers that the float represents exactly."""
    found = column.cast(CASTS[datatype], strict=False)
    if not _exceeds(column, EXACT_UP_TO[datatype]):
        return found
    if datatype == "FP16":
        with np.errstate(over="ignore"):
            narrow = found.to_numpy().astype(np.float16).astype(np.float32)
        found = pl.Series(column.name, narrow)
    same = found.cast(pl.Int128, strict=False) == column.cast(pl.Int128, strict=False)
    return pl.select(pl.when(same).then(found).otherwise(None)).to_series()


def _exceeds(column: pl.Series, limit: int) -> bool:
    """Return whether a number exceeds a limit in magnitude."""
    ends: list[Any] = [column.min(), column.max()]
    return any(end is not None and abs(end) > limit for end in ends)


def _whole_part(column: pl.Series, datatype: str) -> pl.Series:
    """Convert floats without a fraction."""
    found = column.cast(CASTS[datatype], strict=False)
    same = found.cast(column.dtype) == column
    return pl.select(pl.when(same).then(found).otherwise(None)).to_series()


def _to_boolean(column: pl.Series, datatype: str) -> pl.Series:
    """Convert 1 to true and 0 to false; other numbers do not fit."""
    return pl.select(
        pl.when(column == 1).then(statement=True).when(column == 0).then(statement=False)
    ).to_series()


def _from_decimal(column: pl.Series, datatype: str) -> pl.Series:
    """Convert from the digits, so that nothing is rounded twice."""
    text = column.cast(pl.String)
    kind = DATATYPES[datatype].kind
    if kind == "O":
        return text
    if kind == "f":
        return cast(text, datatype)
    return cast(text.str.replace(r"\.0+$", ""), datatype)


def _from_text(column: pl.Series, datatype: str) -> pl.Series:
    """Convert text; categories are converted to their values first."""
    return cast(column if column.dtype == pl.String else column.cast(pl.String), datatype)


def _to_iso(column: pl.Series, datatype: str) -> pl.Series:
    return write_iso(column)


def _count_units(column: pl.Series, datatype: str, times: str) -> pl.Series:
    """Count moments in a unit; only floats take fractions of it."""
    whole, part = count_moments(column, times)
    kind = DATATYPES[datatype].kind
    found = _exact_float(whole, datatype) if kind == "f" else _cast_plainly(whole, datatype)
    if kind != "f":
        return found
    return pl.select(pl.coalesce(found, cast(part, datatype))).to_series().rename(column.name)


FAMILIES: Mapping[tuple[type[pl.DataType], ...], Family] = {
    (pl.Decimal,): "decimal",
    (pl.Boolean,): "truth",
    (pl.String, pl.Categorical, pl.Enum): "text",
    (pl.Binary,): "bytes",
    MOMENTS: "moment",
    (pl.Null,): "nothing",
}
TABLE: Mapping[Family | None, Mapping[str, Convert]] = {
    "whole": {"i": _cast_plainly, "f": _exact_float, "b": _to_boolean, "O": _cast_plainly},
    "fraction": {"i": _whole_part, "f": cast, "b": _to_boolean},
    "decimal": {"i": _from_decimal, "f": _from_decimal, "b": _from_decimal, "O": _from_decimal},
    "truth": {"i": _cast_plainly, "f": _cast_plainly, "b": _cast_plainly, "O": _cast_plainly},
    "text": {"i": _from_text, "f": _from_text, "b": _from_text, "O": _from_text},
    "bytes": {"O": lambda column, datatype: column},
    "moment": {"O": _to_iso},
    "nothing": {},
    None: {},
}
"""Family of a column → numpy kind of the datatype → conversion; without an entry no value fits."""
