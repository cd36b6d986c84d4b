"""Rows as the table that a library takes: a data frame, or an array."""

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from serval.errors import InvalidInputs
from serval.models.signature import TensorSpec
from serval.models.tensor import Array
from serval.tasks.table.columns import TableColumns
from serval_cli.conversion.original import DATATYPES, OriginalColumn, Rows
from serval_cli.conversion.packages import require_extra
from serval_cli.failures import CommandFailed


def read_columns(columns: Sequence[OriginalColumn], rows: Rows) -> dict[str, list[Any]]:
    """Read the cells of each column as Python values; a missing one is NaN.

    Raises
    ------
    CommandFailed
        If a cell is not what its column holds.
    """
    reader = TableColumns(
        [(TensorSpec(one.name, DATATYPES[one.kind], (-1,)), (one.name,)) for one in columns],
        frozenset(one.name for one in columns),
    )
    picked = [{one.name: row.get(one.name) for one in columns} for row in rows]
    try:
        arrays = reader.read(picked)
    except InvalidInputs as refused:
        raise CommandFailed(f"sample: {refused}") from None
    return {
        one.name: [
            (cell.decode() if picked[index][one.name] is not None else np.nan)
            if one.kind == "text"
            else cell
            for index, cell in enumerate(arrays[one.name].tolist())
        ]
        for one in columns
    }


def make_frame(columns: Sequence[OriginalColumn], rows: Rows, *, yes: bool) -> Any:
    """Make a data frame of pandas; of Polars where that alone is installed and suffices."""
    cells = read_columns(columns, rows)
    texts = [one.name for one in columns if one.kind == "text"]
    holes = any(not isinstance(cell, str) for name in texts for cell in cells[name])
    if find_spec("pandas") is None:
        if find_spec("polars") is not None and not holes:
            return import_module("polars").DataFrame(cells)
        require_extra("pandas", "a model that was trained on a data frame", yes=yes)
    return import_module("pandas").DataFrame(cells)


def make_array(columns: Sequence[OriginalColumn], rows: Rows) -> Array:
    """Make an array [rows, columns]: of floats, of texts, or of both as objects."""
    cells = list(read_columns(columns, rows).values())
    numeric = all(one.kind == "number" for one in columns)
    dtype: Any = np.float64 if numeric else object
    array = np.empty((len(rows), len(columns)), dtype)
    for index, own in enumerate(cells):
        array[:, index] = own
    return array
