"""Where the rows of a block stand in the file."""

from dataclasses import dataclass

import numpy as np

from serval.batch.records.record_ends import spans
from serval.batch.records.rows import Reject, kept
from serval.models.tensor import Array


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
