"""Rows: what a block of records gives a model, and what is rejected of it."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

import polars as pl

from serval.errors import BatchRefused
from serval.foreign import refusing
from serval.models.tensor import Array, Tensor

SHOWN_CHARACTERS = 2_000
"""How much of a rejected record is kept."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that does not fit, and why."""

    record: int
    """Its number in the file, from 0."""
    offset: int | None
    """Its first byte in the file; None where records have none, as in Parquet."""
    reason: str
    text: str
    """The record itself, cut where it is long."""

    def to_json(self) -> dict[str, Any]:
        """Give a line of ``errors.jsonl``."""
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
    """One array for each input, a row for each record that fits."""
    count: int
    first_record: int = 0
    """Number in the file of the block's first record."""
    numbers: Array | None = None
    """Each row's record within the block; None: every record is a row."""
    rejects: tuple[Reject, ...] = ()
    passed: pl.DataFrame | None = None
    """The input's own columns of the rows that fit, as text; None unless they are asked for."""
    texts: Sequence[bytes] = field(default=())
    """The records' own text where it is asked for and there are no columns (JSONL)."""
    names: Sequence[str] = field(default=())
    """What the rows are called where they have no text to show: objects."""
    read_bytes: int | None = None
    """What was read for them; None: the block's own bytes."""

    def record(self, row: int) -> int:
        """Give the number of a row's record in the file."""
        return self.first_record + (row if self.numbers is None else int(self.numbers[row]))

    def batches(self, most: int) -> Iterator[tuple[Tensor, ...]]:
        """Cut the rows into runs of at most ``most`` rows."""
        for start in range(0, self.count, most):
            yield tuple(
                Tensor(tensor.name, tensor.datatype, tensor.array[start : start + most])
                for tensor in self.inputs
            )


class Records(Protocol):
    """Reads blocks of one format."""

    def read(self, block: bytes, first_record: int, offset: int) -> Rows:
        """Read a block whose first record has this number and this place in the file."""


class Unread(Exception):
    """polars does not take a block as it is; record by record it may still be read."""


def readable(first_record: int) -> AbstractContextManager[None]:
    """Refuse a block that polars cannot read, or whose columns turn out to be of no use.

    It looks at a column only where it is used: in a cast, in a filter, when a row is shown.
    """
    return refusing(
        lambda said: BatchRefused(f"records from {first_record} on cannot be read: {said}")
    )


def kept(text: bytes | str) -> str:
    """Give a rejected record as text, cut where it is long."""
    shown = text if isinstance(text, str) else text.decode("utf-8", "replace")
    shown = shown.rstrip("\r\n")
    return shown if len(shown) <= SHOWN_CHARACTERS else shown[: SHOWN_CHARACTERS - 1] + "…"
