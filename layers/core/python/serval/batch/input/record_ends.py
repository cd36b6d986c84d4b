"""Where the rows of a block stand in the file.

Where records end in a block of bytes that begins with a record.
"""

from dataclasses import dataclass

import numpy as np

from serval.batch.input.csv.cuts import NEWLINE, QUOTE
from serval.batch.input.rows import Reject, kept
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


@dataclass(slots=True)
class Places:
    """Where the rows of a frame stand in the file; looked for only when one is rejected."""

    block: bytes
    first_record: int
    offset: int
    numbers: Array | None = None
    """Record of each row within the block; None: they count alike."""
    quoted: bool = True
    """Whether a newline in quotes ends no record."""
    _spans: list[tuple[int, int]] | None = None

    @property
    def spans(self) -> list[tuple[int, int]]:
        """Give begin and end of each record in the block."""
        if self._spans is None:
            self._spans = spans(self.block, quoted=self.quoted)
        return self._spans

    def numbers_of(self, fits: Array) -> Array:
        """Give the record of each row that fits."""
        rows = np.flatnonzero(fits)
        return rows if self.numbers is None else self.numbers[rows]

    def reject(self, row: int, reason: str) -> Reject:
        """Describe a row that does not fit."""
        number = row if self.numbers is None else int(self.numbers[row])
        start, end = self.spans[number]
        return Reject(
            self.first_record + number, self.offset + start, reason, kept(self.block[start:end])
        )
