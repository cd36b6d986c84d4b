"""Cells of a column of CSV: which are empty, and what becomes of them."""

from dataclasses import replace

import polars as pl

from serval.batch.input.cast import cast, unfit
from serval.batch.job.options import CsvOptions
from serval.models.tensor import DATATYPES


def given(column: pl.Series, options: CsvOptions) -> pl.Series:
    """Give the texts of a column; null: the cell is empty, or says that it is."""
    empties = ["", *options.null_values]
    if len(empties) == 1:
        return column
    return pl.select(pl.when(~column.is_in(empties)).then(column)).to_series()


def read(texts: pl.Series, datatype: str, options: CsvOptions) -> pl.Series:
    """Read a column; null: the cell does not fit, or is empty where that is no value."""
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
    """Say why an empty cell does not fit."""
    if options.empty == "reject":
        return f"column {column!r} is empty"
    return f"column {column!r} is empty, and {datatype} has no missing value"


def unfit_reason(column: str, text: str, datatype: str, options: CsvOptions) -> str:
    """Say why a cell does not fit, and whether it would with the other sign before decimals."""
    said = f"column {column!r}: {unfit(text, datatype)}"
    other = replace(options, decimal="." if options.decimal == "," else ",")
    if other.decimal not in text or read(pl.Series([text]), datatype, other).null_count():
        return said
    sign = "a comma" if other.decimal == "," else "a point"
    return f"{said}; where {sign} stands before decimals, choose csv.decimal {other.decimal!r}"
