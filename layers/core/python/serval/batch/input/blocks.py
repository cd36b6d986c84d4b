"""Blocks of whole records from a stream of bytes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from serval.batch.input.jsonl.records import LINE_LIMIT_BYTES
from serval.batch.input.record_ends import record_ends
from serval.batch.input.rows import Records
from serval.errors import BatchRefused

QUOTED = b'"'


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
        inside ^= quoted and bool(piece.count(QUOTED, whole) % 2)
        if len(held) > LINE_LIMIT_BYTES:
            raise too_long(offset)
    if held:
        yield Block(bytes(held), offset, first_record)


def first_record(pieces: Iterator[bytes], *, quoted: bool) -> tuple[bytes, Iterator[bytes]]:
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
            return bytes(held) + piece[:end], chained(piece[end:], pieces)
        held += piece
        inside ^= quoted and bool(piece.count(QUOTED) % 2)
        if len(held) > LINE_LIMIT_BYTES:
            raise BatchRefused(f"the header has more than {LINE_LIMIT_BYTES} bytes")
    return bytes(held), iter(())


def chained(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    """Yield a piece, unless it is empty, and then the others."""
    if first:
        yield first
    yield from rest


def too_long(offset: int) -> BatchRefused:
    """Return the refusal of a record that is too long."""
    return BatchRefused(
        f"byte {offset}: a record of more than {LINE_LIMIT_BYTES} bytes begins there"
    )
