"""What has been written so far, row by row."""

from dataclasses import dataclass

import numpy as np

from serval.models.tensor import Array


@dataclass(slots=True)
class History:
    """The tokens of a batch: prompts, padded on the left, and what follows them."""

    ids: Array
    """INT64 [rows, capacity]."""
    length: int
    """How many columns are filled, the same in all rows."""
    starts: Array
    """INT64 [rows]: the first column that is no padding."""
    prompt: int
    """How many columns the prompt has."""
    items: Array
    """INT64 [rows]: which input of the batch each row continues."""

    @classmethod
    def begin(cls, prompt: Array, capacity: int, mask: Array | None = None) -> "History":
        """Begin with prompts INT64 [rows, n]; ``mask`` is 0 where they are padded."""
        rows, length = prompt.shape
        ids = np.zeros((rows, max(capacity, length)), np.int64)
        ids[:, :length] = prompt
        starts = np.zeros(rows, np.int64) if mask is None else mask.argmax(axis=1)
        return cls(ids, length, starts, length, np.arange(rows))

    def row(self, row: int) -> Array:
        """Return a row's tokens without its padding, prompt included."""
        tokens: Array = self.ids[row, self.starts[row] : self.length]
        return tokens

    def continuation(self, row: int) -> Array:
        """Return what a row has after its prompt."""
        tokens: Array = self.ids[row, self.prompt : self.length]
        return tokens

    def append(self, tokens: Array) -> None:
        """Add a token to each row: INT64 [rows]."""
        self.ids[:, self.length] = tokens
        self.length += 1

    def select(self, rows: Array) -> None:
        """Keep these rows, in this order; a row may come several times."""
        self.ids = self.ids[rows]
        self.starts = self.starts[rows]
        self.items = self.items[rows]
