"""Common types for Parquet columns in a job of several files, wide enough for each."""

import base64
import io
from collections.abc import Sequence

import polars as pl

from serval.errors import BatchRefused
from serval.foreign import refusing


def widen_types(schemas: Sequence[tuple[str, pl.DataFrame]]) -> str:
    """Return types that hold the columns of all files, written as a Parquet file without rows.

    Parameters
    ----------
    schemas
        Address and columns, without rows, of each file.

    Raises
    ------
    BatchRefused
        If a column has incompatible types in two files.
    """
    address, found = schemas[0]
    for other, columns in schemas[1:]:
        if columns.schema != found.schema:
            found = pl.DataFrame(
                {
                    name: _widen(name, found[name], columns[name], address, other)
                    for name in found.columns
                }
            )
    target = io.BytesIO()
    found.write_parquet(target)
    return base64.b64encode(target.getvalue()).decode()


def cast_to_types(frame: pl.DataFrame, types: str) -> pl.DataFrame:
    """Cast a file's columns to the common types.

    Raises
    ------
    BatchRefused
        If a value would change.
    """
    if not types:
        return frame
    wished = pl.read_parquet(io.BytesIO(base64.b64decode(types))).schema
    if frame.schema == wished:
        return frame
    return pl.DataFrame([_cast_exactly(column, wished[column.name]) for column in frame])


def _widen(name: str, first: pl.Series, second: pl.Series, address: str, other: str) -> pl.Series:
    kinds = first.dtype, second.dtype
    if kinds[0] == kinds[1]:
        return first
    if kinds[1] == pl.Null:
        return first
    if kinds[0] == pl.Null:
        return second
    if all(map(_is_text, kinds)):
        return first.cast(pl.String)
    refusal = BatchRefused(
        f"{other}: column {name!r} is {kinds[1]}, in {address} it is {kinds[0]}: one column of the "
        "output holds one of them; write the files alike, or choose output.format jsonl or csv"
    )
    if not all(kind.is_numeric() for kind in kinds):
        raise refusal
    with refusing(lambda said: refusal):
        frames = [first.to_frame(), second.to_frame()]
        together: pl.Series = pl.concat(frames, how="vertical_relaxed")[name]
    return together


def _is_text(kind: pl.DataType) -> bool:
    return isinstance(kind, pl.String | pl.Categorical | pl.Enum)


def _cast_exactly(column: pl.Series, wished: pl.DataType) -> pl.Series:
    found = column.cast(wished, strict=False)
    back = found.cast(column.dtype, strict=False)
    if not back.eq_missing(column).all():
        raise BatchRefused(
            f"column {column.name!r}: a value of {column.dtype} is not the same as {wished}, which "
            "other files have; write the files alike, or choose output.format jsonl or csv"
        )
    return found
