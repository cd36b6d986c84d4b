"""Rows drawn for a comparison, where nobody gives a sample."""

import random
from collections.abc import Sequence
from typing import Any

from serval_cli.conversion.original import OriginalColumn

SEED = 7
ROWS = 200
WORDS = ("alpha", "beta", "gamma", "delta")
MISSING_PERCENT = 5


def draw_rows(columns: Sequence[OriginalColumn], count: int = ROWS) -> list[dict[str, Any]]:
    """Draw rows: known values of a column where it has some, else numbers around its mean."""
    draws = random.Random(SEED)
    return [{one.name: _draw(one, draws) for one in columns} for _ in range(count)]


def _draw(column: OriginalColumn, draws: random.Random) -> Any:
    if column.imputed and draws.randrange(100) < MISSING_PERCENT:
        return None
    if column.known:
        return draws.choice(column.known)
    if column.kind == "text":
        return " ".join(draws.choices(WORDS, k=draws.randint(1, 4)))
    if column.kind == "integer":
        return draws.randint(0, 9)
    # Most lie where the model has learnt, some far from it.
    factor = draws.choice((1.0, 1.0, 1.0, 10.0, 100.0))
    return column.mean + column.spread * factor * draws.gauss(0, 1)
