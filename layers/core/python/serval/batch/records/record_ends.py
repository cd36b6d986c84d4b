"""Where records end in a block of bytes that begins with a record."""

import numpy as np

from serval.batch.csv_cuts import NEWLINE, QUOTE
from serval.models.tensor import Array


def record_ends(block: bytes, *, quoted: bool, inside: bool = False) -> Array:
    """Give the offset behind each record's newline; ``quoted``: newlines in quotes end none.

    A last record without a newline has no entry. ``inside``: the block begins within quotes.
    """
    view = np.frombuffer(block, np.uint8)
    newlines = np.flatnonzero(view == NEWLINE)
    if quoted:
        quotes = np.flatnonzero(view == QUOTE)
        if inside or len(quotes):
            newlines = newlines[(np.searchsorted(quotes, newlines) + inside) % 2 == 0]
    return newlines + 1


def spans(block: bytes, *, quoted: bool) -> list[tuple[int, int]]:
    """Give begin and end of each record, the last one too if it has no newline."""
    ends = [int(end) for end in record_ends(block, quoted=quoted)]
    if not ends or ends[-1] < len(block):
        ends.append(len(block))
    starts = [0, *ends[:-1]]
    return [(start, end) for start, end in zip(starts, ends, strict=True) if end > start]
