"""Blocks of whole records out of a stream of bytes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from serval.batch.input.jsonl.records import LINE_LIMIT_BYTES
from serval.batch.input.record_ends import record_ends
from serval.batch.input.rows import Records
from serval.errors import BatchRefused

QUOTED = b'"'


@dataclass(frozen=True, slots=True)
class Block:
    """Whole records, and where they stand in the file."""

    data: bytes
    offset: int
    first_record: int
    span: int = 0
    """Which of the shard's files it is of, where it has several."""
    file: str = ""
    """The file's address, for whoever reads a rejected record; empty: there is only one."""
    records: Records | None = None
    """Reads it; None: as the whole shard is read."""

    @property
    def end(self) -> int:
        """Give the first byte behind it."""
        return self.offset + len(self.data)


def whole_records(
    pieces: Iterable[bytes], offset: int, first_record: int, *, quoted: bool
) -> Iterator[Block]:
    """Cut pieces of a file, which begin with a record, into blocks of whole records.

    Raises
    ------
    BatchRefused
        If a record is longer than 16 MiB.
    """
    # Of each piece only its own bytes are looked at, however long the record that it goes on with.
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
    """Take the first record that is no blank line, with what stands before it; give the rest too.

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
    """Give a piece, if there is any of it, and then the others."""
    if first:
        yield first
    yield from rest


def too_long(offset: int) -> BatchRefused:
    """Make the refusal of a record that is too long."""
    return BatchRefused(
        f"byte {offset}: a record of more than {LINE_LIMIT_BYTES} bytes begins there"
    )
