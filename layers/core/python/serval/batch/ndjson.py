"""JSON lines of columns; what JSON has no number for is text, as in an inference response."""

import io
import math
from collections.abc import Sequence
from typing import Any

import orjson
import polars as pl


def ndjson(columns: Sequence[pl.Series]) -> bytes:
    """Write a line for each row: an object of its values."""
    frame = pl.DataFrame(columns)
    if all(map(_is_finite, columns)):
        target = io.BytesIO()
        frame.write_ndjson(target)
        return target.getvalue()
    rows = (_spelled(row) for row in frame.iter_rows(named=True))
    return b"".join(
        orjson.dumps(row, default=str, option=orjson.OPT_APPEND_NEWLINE) for row in rows
    )


def _is_finite(column: pl.Series) -> bool:
    """Tell whether no number of a column is NaN or infinite."""
    while isinstance(column.dtype, pl.List | pl.Array):
        column = column.explode()
    if isinstance(column.dtype, pl.Struct):
        return all(map(_is_finite, column.struct.unnest()))
    return not column.dtype.is_float() or bool(column.is_finite().all())


def _spelled(value: Any) -> Any:
    """Spell numbers out that JSON has no form for."""
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {name: _spelled(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_spelled(each) for each in value]
    return value
