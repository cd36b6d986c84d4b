"""Answers that a graph could not give, in the words of the table."""

from collections.abc import Mapping

import numpy as np

from serval.errors import InvalidInputs
from serval.models.tensor import Array
from serval.tasks.table.columns import TableColumns


def check_finite(values: Array, given: Mapping[str, Array], columns: TableColumns) -> None:
    """Refuse rows that a model answered with NaN, since JSON has none.

    Parameters
    ----------
    values
        Scores or numbers, rows on axis 0.
    given
        What the rows have in each column.

    Raises
    ------
    InvalidInputs
        With the row's empty columns, which are the usual reason.
    """
    finite = np.isfinite(values.reshape(len(values), -1)).all(axis=1)
    if finite.all():
        return
    index = int(np.argmin(finite))
    missing = columns.missing_in(given, index)
    why = f": it has no value in {', '.join(map(repr, missing))}" if missing else ""
    raise InvalidInputs(f"input {index}: the model has no answer to this row{why}")
