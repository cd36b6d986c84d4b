"""Rows that a block of records yields for a model, and its rejected records."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

import polars as pl

from serval.errors import BatchRefused
from serval.foreign import refusing
from serval.models.tensor import Array, Tensor

SHOWN_CHARACTERS = 2_000
"""Characters of a rejected record that are stored."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that does not fit, and why."""

    record: int
    """Its number in the file, from 0."""
    offset: int | None
    """Its first byte in the file; None where records have no offsets, as in Parquet."""
    reason: str
    text: str
    """The record itself, truncated if it is long."""

    def to_json(self) -> dict[str, Any]:
        """Return the reject as ``errors.jsonl`` stores it."""
        return {
            "record": self.record,
            "offset": self.offset,
            "reason": self.reason,
            "text": self.text,
        }


@dataclass(frozen=True, slots=True)
class Rows:
    """Records that fit, in the order of the file, and those that do not."""

    inputs: tuple[Tensor, ...]
    """One array for each input, with a row for each record that fits."""
    count: int
    first_record: int = 0
    """Number of the block's first record in the file."""
    numbers: Array | None = None
    """Record of each row within the block; None: every record is a row."""
    rejects: tuple[Reject, ...] = ()
    passed: pl.DataFrame | None = None
    """The input's own columns of the rows that fit; None unless they are joined."""
    texts: Sequence[bytes] = field(default=())
    """The records' own text if it is joined and there are no columns (JSONL)."""
    names: Sequence[str] = field(default=())
    """Names of the rows where they have no text to show: objects."""
    read_bytes: int | None = None
    """Bytes read for the rows; None: those of the block."""

    def record(self, row: int) -> int:
        """Return the number of a row's record in the file."""
        return self.first_record + (row if self.numbers is None else int(self.numbers[row]))

    def batches(self, most: int) -> Iterator[tuple[Tensor, ...]]:
        """Split the rows into runs of at most ``most`` rows."""
        for start in range(0, self.count, most):
            yield tuple(
                Tensor(tensor.name, tensor.datatype, tensor.array[start : start + most])
                for tensor in self.inputs
            )


class Records(Protocol):
    """Reads blocks of one format."""

    def read(self, block: bytes, first_record: int, offset: int) -> Rows:
        """Read a block, whose first record has this number and this offset in the file."""


class Unread(Exception):
    """polars cannot read a block as a whole; record by record it may still be readable."""


def readable(first_record: int) -> AbstractContextManager[None]:
    """Refuse a block that polars cannot read, or whose columns cannot be used.

    polars looks at a column only where it is used: in a cast, in a filter, when a row is shown.
    """
    return refusing(
        lambda said: BatchRefused(f"records from {first_record} on cannot be read: {said}")
    )


def kept(text: bytes | str) -> str:
    """Return a rejected record as text, truncated if it is long."""
    shown = text if isinstance(text, str) else text.decode("utf-8", "replace")
    shown = shown.rstrip("\r\n")
    return shown if len(shown) <= SHOWN_CHARACTERS else shown[: SHOWN_CHARACTERS - 1] + "…"
