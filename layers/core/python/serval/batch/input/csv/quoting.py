"""Quotes and carriage returns in a block of CSV, checked without splitting its records."""

import numpy as np

from serval.batch.input.csv.cuts import NEWLINE, QUOTE, RETURN
from serval.models.tensor import Array


def outside(view: Array, quotes: Array, byte: int) -> int:
    """Count a byte outside of quotes; the block begins outside of quotes."""
    found = view == byte
    every = int(np.count_nonzero(found))
    if not len(quotes) or not every:
        return every
    between = np.add.reduceat(found.view(np.uint8), quotes, dtype=np.uint32)
    return every - int(between[::2].sum())


def returns_end_records(view: Array) -> bool:
    """Return whether each carriage return is followed by a newline or ends the block.

    polars drops other carriage returns at the end of a field, and keeps them within one.
    """
    returns = view == RETURN
    alone = returns[:-1] & (view[1:] != NEWLINE)
    return not alone.any()


def as_in_rfc_4180(view: Array, quotes: Array, delimiter: int) -> bool:
    """Return whether quotes follow RFC 4180, and no quoted field contains a newline."""
    if not len(quotes):
        return True
    if len(quotes) % 2 or outside(view, quotes, NEWLINE) != np.count_nonzero(view == NEWLINE):
        return False
    around = np.concatenate(([NEWLINE], view, [NEWLINE])).astype(np.uint8)
    opening, closing = quotes[::2], quotes[1::2]
    left = np.isin(around[opening], (delimiter, NEWLINE, QUOTE))
    right = np.isin(around[closing + 2], (delimiter, NEWLINE, RETURN, QUOTE))
    return bool(left.all() and right.all())
