"""Records of an input: blocks of whole records, and the rows that they yield for a model."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import polars as pl

from serval.batch.input.csv.cuts import NEWLINE, QUOTE
from serval.errors import BatchRefused
from serval.foreign import refusing
from serval.models.tensor import Array, Tensor

UTF8_MARK = b"\xef\xbb\xbf"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
RECORD_LIMIT_BYTES = 16 * 2**20
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


@dataclass(frozen=True, slots=True)
class Block:
    """Whole records, and their place in the file."""

    data: bytes
    offset: int
    first_record: int
    span: int = 0
    """Index of the file among those of the shard."""
    file: str = ""
    """Address of the file, for rejected records; empty if there is only one file."""
    records: Records | None = None
    """Reader of this block; None: the shard's own."""

    @property
    def end(self) -> int:
        """Offset after the last byte."""
        return self.offset + len(self.data)


def mark_length(head: bytes) -> int:
    """Return the length of the byte order mark.

    Raises
    ------
    BatchRefused
        If the text is UTF-16 or contains NUL, naming the byte.
    """
    if head.startswith(UTF16_MARKS):
        raise BatchRefused("byte 0: the text is UTF-16; UTF-8 expected: choose csv.encoding")
    if (nul := head.find(b"\0")) >= 0:
        raise nul_refusal(nul)
    return len(UTF8_MARK) if head.startswith(UTF8_MARK) else 0


def nul_refusal(offset: int) -> BatchRefused:
    """Return the refusal of a text that contains NUL."""
    return BatchRefused(f"byte {offset}: NUL: the text is UTF-16 or no text at all; UTF-8 expected")


def whole_records(
    pieces: Iterable[bytes], offset: int, first_record: int, *, quoted: bool
) -> Iterator[Block]:
    """Split pieces of a file, which begin with a record, into blocks of whole records.

    Raises
    ------
    BatchRefused
        If a record is longer than 16 MiB.
    """
    # Only the bytes of each piece are searched, however long the record that it continues.
    held, inside = bytearray(), False
    for piece in pieces:
        ends = record_ends(piece, quoted=quoted, inside=inside)
        whole = int(ends[-1]) if len(ends) else 0
        if whole:
            data = bytes(held) + piece[:whole]
            yield Block(data, offset, first_record)
            held.clear()
            offset += len(data)
            first_record += len(ends)
            inside = False
        held += piece[whole:]
        inside ^= quoted and bool(piece.count(b'"', whole) % 2)
        if len(held) > RECORD_LIMIT_BYTES:
            raise record_too_long(offset)
    if held:
        yield Block(bytes(held), offset, first_record)


def split_first_record(pieces: Iterator[bytes], *, quoted: bool) -> tuple[bytes, Iterator[bytes]]:
    """Split off the first record, with the blank lines before it.

    Raises
    ------
    BatchRefused
        If it is longer than 16 MiB.
    """
    held, inside, begun = bytearray(), False, False
    for piece in pieces:
        blank = 0 if begun else len(piece) - len(piece.lstrip(b"\r\n"))
        begun = begun or blank < len(piece)
        ends = record_ends(piece, quoted=quoted, inside=inside)
        ends = ends[ends > blank]
        if len(ends):
            end = int(ends[0])
            return bytes(held) + piece[:end], prepend(piece[end:], pieces)
        held += piece
        inside ^= quoted and bool(piece.count(b'"') % 2)
        if len(held) > RECORD_LIMIT_BYTES:
            raise BatchRefused(f"the header has more than {RECORD_LIMIT_BYTES} bytes")
    return bytes(held), iter(())


def prepend(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    """Yield a piece, unless it is empty, and then the others."""
    if first:
        yield first
    yield from rest


def record_too_long(offset: int) -> BatchRefused:
    """Return the refusal of a record that is too long."""
    return BatchRefused(
        f"byte {offset}: a record of more than {RECORD_LIMIT_BYTES} bytes begins there"
    )


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


def drop_incomplete(text: bytes, *, quoted: bool, whole: bool) -> bytes:
    """Drop a last record that may be incomplete."""
    if whole:
        return text
    ends = record_ends(text, quoted=quoted)
    return text[: int(ends[-1])] if len(ends) else b""


def record_spans(block: bytes, *, quoted: bool) -> list[tuple[int, int]]:
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
            self._spans = record_spans(self.block, quoted=self.quoted)
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
            self.first_record + number,
            self.offset + start,
            reason,
            shorten_record(self.block[start:end]),
        )


class Unreadable(Exception):
    """polars cannot read a block as a whole; record by record it may still be readable."""


def refuse_unreadable(first_record: int) -> AbstractContextManager[None]:
    """Refuse a block that polars cannot read, or whose columns cannot be used.

    polars looks at a column only where it is used: in a cast, in a filter, when a row is shown.
    """
    return refusing(
        lambda said: BatchRefused(f"records from {first_record} on cannot be read: {said}")
    )


def shorten_record(text: bytes | str) -> str:
    """Return a rejected record as text, truncated if it is long."""
    shown = text if isinstance(text, str) else text.decode("utf-8", "replace")
    shown = shown.rstrip("\r\n")
    return shown if len(shown) <= SHOWN_CHARACTERS else shown[: SHOWN_CHARACTERS - 1] + "…"
