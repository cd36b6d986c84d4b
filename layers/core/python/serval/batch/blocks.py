"""Blocks of whole records out of a stream of bytes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from serval.batch.records.jsonl_records import LINE_LIMIT_BYTES
from serval.batch.records.record_ends import record_ends
from serval.batch.records.rows import Records
from serval.errors import BatchRefused


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
    held = b""
    for piece in pieces:
        held += piece
        ends = record_ends(held, quoted=quoted)
        if not len(ends):
            if len(held) > LINE_LIMIT_BYTES:
                raise BatchRefused(
                    f"byte {offset}: a record of more than {LINE_LIMIT_BYTES} bytes begins there"
                )
            continue
        whole = int(ends[-1])
        yield Block(held[:whole], offset, first_record)
        held = held[whole:]
        offset += whole
        first_record += len(ends)
    if held:
        yield Block(held, offset, first_record)
