"""Ends of records in a block of bytes, and the places of its rows in the file."""

from dataclasses import dataclass

import numpy as np

from serval.batch.input.csv.cuts import NEWLINE, QUOTE
from serval.batch.input.rows import Reject, kept
from serval.models.tensor import Array


def record_ends(block: bytes, *, quoted: bool, inside: bool = False) -> Array:
    """Return the offset after each record's newline.

    A last record without a newline has no entry.

    Parameters
    ----------
    quoted
        Whether newlines in quotes end no record.
    inside
        Whether the block begins within quotes.
    """
    view = np.frombuffer(block, np.uint8)
    newlines = np.flatnonzero(view == NEWLINE)
    if quoted:
        quotes = np.flatnonzero(view == QUOTE)
        if inside or len(quotes):
            newlines = newlines[(np.searchsorted(quotes, newlines) + inside) % 2 == 0]
    return newlines + 1


def spans(block: bytes, *, quoted: bool) -> list[tuple[int, int]]:
    """Return start and end of each record, including a last one without a newline."""
    ends = [int(end) for end in record_ends(block, quoted=quoted)]
    if not ends or ends[-1] < len(block):
        ends.append(len(block))
    starts = [0, *ends[:-1]]
    return [(start, end) for start, end in zip(starts, ends, strict=True) if end > start]


@dataclass(slots=True)
class Places:
    """Places of a frame's rows in the file; computed only when a row is rejected."""

    block: bytes
    first_record: int
    offset: int
    numbers: Array | None = None
    """Record of each row within the block; None: every record is a row."""
    quoted: bool = True
    """Whether newlines in quotes end no record."""
    _spans: list[tuple[int, int]] | None = None

    @property
    def spans(self) -> list[tuple[int, int]]:
        """Start and end of each record in the block."""
        if self._spans is None:
            self._spans = spans(self.block, quoted=self.quoted)
        return self._spans

    def numbers_of(self, fits: Array) -> Array:
        """Return the record number of each row that fits."""
        rows = np.flatnonzero(fits)
        return rows if self.numbers is None else self.numbers[rows]

    def reject(self, row: int, reason: str) -> Reject:
        """Return the reject for a row."""
        number = row if self.numbers is None else int(self.numbers[row])
        start, end = self.spans[number]
        return Reject(
            self.first_record + number, self.offset + start, reason, kept(self.block[start:end])
        )
