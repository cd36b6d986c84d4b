"""Quotes and returns in a block of CSV, looked at without going through its records."""

import numpy as np

from serval.batch.input.csv.cuts import NEWLINE, QUOTE, RETURN
from serval.models.tensor import Array


def outside(view: Array, quotes: Array, byte: int) -> int:
    """Count a byte where it stands in no quotes; the block begins outside of them."""
    found = view == byte
    every = int(np.count_nonzero(found))
    if not len(quotes) or not every:
        return every
    between = np.add.reduceat(found.view(np.uint8), quotes, dtype=np.uint32)
    return every - int(between[::2].sum())


def returns_end_records(view: Array) -> bool:
    """Tell whether each carriage return stands before a newline, or at the end.

    Of another one polars makes nothing if it ends a field, and something if it does not.
    """
    returns = view == RETURN
    alone = returns[:-1] & (view[1:] != NEWLINE)
    return not alone.any()


def as_in_rfc_4180(view: Array, quotes: Array, delimiter: int) -> bool:
    """Tell whether each quote opens, closes or doubles one where it may, and none spans lines."""
    if not len(quotes):
        return True
    if len(quotes) % 2 or outside(view, quotes, NEWLINE) != np.count_nonzero(view == NEWLINE):
        return False
    around = np.concatenate(([NEWLINE], view, [NEWLINE])).astype(np.uint8)
    opening, closing = quotes[::2], quotes[1::2]
    left = np.isin(around[opening], (delimiter, NEWLINE, QUOTE))
    right = np.isin(around[closing + 2], (delimiter, NEWLINE, RETURN, QUOTE))
    return bool(left.all() and right.all())
