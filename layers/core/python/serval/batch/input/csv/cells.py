"""Cells of a CSV column: which are empty, and how they are read."""

from dataclasses import replace

import polars as pl

from serval.batch.input.cast import cast, unfit
from serval.batch.job.options import CsvOptions
from serval.models.tensor import DATATYPES


def given(column: pl.Series, options: CsvOptions) -> pl.Series:
    """Return the texts of a column, with null for empty cells."""
    empties = ["", *options.null_values]
    if len(empties) == 1:
        return column
    return pl.select(pl.when(~column.is_in(empties)).then(column)).to_series()


def read(texts: pl.Series, datatype: str, options: CsvOptions) -> pl.Series:
    """Read a column; null where a cell does not fit, or an empty one has no missing value."""
    floating = DATATYPES[datatype].kind == "f"
    if floating and options.decimal == ",":
        point = texts.str.contains(".", literal=True)
        with_point = texts.str.replace(",", ".", literal=True)
        found = cast(pl.select(pl.when(~point).then(with_point)).to_series(), datatype)
    else:
        found = cast(texts, datatype)
    if options.empty == "reject" or not texts.null_count():
        return found
    if floating:
        return pl.select(pl.when(texts.is_null()).then(float("nan")).otherwise(found)).to_series()
    return found.fill_null("") if datatype == "BYTES" else found


def empty_reason(column: str, datatype: str, options: CsvOptions) -> str:
    """Return why an empty cell does not fit."""
    if options.empty == "reject":
        return f"column {column!r} is empty"
    return f"column {column!r} is empty, and {datatype} has no missing value"


def unfit_reason(column: str, text: str, datatype: str, options: CsvOptions) -> str:
    """Return why a cell does not fit, with a hint if it would with the other decimal separator."""
    said = f"column {column!r}: {unfit(text, datatype)}"
    other = replace(options, decimal="." if options.decimal == "," else ",")
    if other.decimal not in text or read(pl.Series([text]), datatype, other).null_count():
        return said
    sign = "a comma" if other.decimal == "," else "a point"
    return f"{said}; where {sign} stands before decimals, choose csv.decimal {other.decimal!r}"
