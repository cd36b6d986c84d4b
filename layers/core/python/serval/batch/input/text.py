"""Blocks of whole records from a text file, or from a part of one."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import tee

from serval.batch.input.csv.cuts import NEWLINE, BareQuote, Scanner
from serval.batch.input.csv.dialect import check_header
from serval.batch.input.csv.rewrite import rewrite_csv
from serval.batch.input.decompress import decompress
from serval.batch.input.find import HEAD_BYTES
from serval.batch.input.jsonl.json_array import check_alike, element_lines
from serval.batch.input.records import (
    UTF8_MARK,
    Block,
    mark_length,
    nul_refusal,
    prepend,
    record_ends,
    split_first_record,
    whole_records,
)
from serval.batch.job.keys import Source
from serval.batch.job.layout import Layout
from serval.errors import BatchRefused
from serval.models.signature import TensorSpec


@dataclass(frozen=True, slots=True)
class Span:
    """Whole records of one file."""

    source: Source
    start: int
    end: int
    first: int
    head: bool
    """Whether the span begins with the header."""
    number: int = 0
    """Index among the spans of the shard."""

    @property
    def is_file(self) -> bool:
        """Whether the span is the whole file, which no scan has checked."""
        return self.start == 0 and self.end == self.source.size_bytes


@dataclass(slots=True)
class TextSpan:
    """Reads one span, and counts its records."""

    layout: Layout
    span: Span
    raw: Iterable[bytes]
    """Stored bytes of the file, from where the earlier invocation stopped."""
    offset: int | None = None
    """Offset in the text where an earlier invocation stopped; None: at the start."""
    first: int = 0
    """Number of the record at that offset."""
    records: int = 0
    """Number of the record after the last one."""
    inputs: Sequence[TensorSpec] = ()
    """Inputs of the model."""

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks.

        Raises
        ------
        BatchRefused
            If the text is invalid; the message names the file and the byte.
        """
        try:
            yield from self._blocks()
        except BareQuote as problem:
            raise BatchRefused(f"{self.span.source.address}: {problem}") from None
        except BatchRefused as problem:
            if str(self.span.source.address) in str(problem):
                raise
            raise BatchRefused(f"{self.span.source.address}: {problem}") from None

    def _blocks(self) -> Iterator[Block]:
        layout, span = self.layout, self.span
        pieces = iter(self.raw)
        if layout.compression != "none":
            pieces = decompress(pieces, layout.compression, layout.block_bytes)
        at, first = span.start, span.first
        if layout.format == "csv" and layout.csv.rewritten:
            pieces = rewrite_csv(pieces, layout.csv, layout.delimiter)
        if self.offset is not None and layout.is_raw:
            at, first = self.offset, self.first
            pieces = self._check_quotes(pieces, at, NEWLINE)
        else:
            at, pieces = self._begin(pieces)
            if self.offset is not None:
                pieces = skip_bytes(pieces, self.offset - at)
                at, first = self.offset, self.first
        self.records = first
        for block in whole_records(pieces, at, first, quoted=layout.quoted):
            ends = record_ends(block.data, quoted=layout.quoted)
            unended = not len(ends) or int(ends[-1]) < len(block.data)
            self.records = block.first_record + len(ends) + unended
            file = str(span.source.address) if layout.several_files else ""
            yield replace(block, span=span.number, file=file)

    def _begin(self, pieces: Iterator[bytes]) -> tuple[int, Iterator[bytes]]:
        """Skip byte order mark and header; return where the records begin, and their bytes."""
        at = self.span.start
        if at == 0:
            pieces, head = peek(pieces, len(UTF8_MARK))
            at = mark_length(head)
            pieces = skip_bytes(pieces, at)
        if self.layout.format == "jsonl":
            pieces = self._json(pieces, at)
        pieces = self._check_quotes(pieces, at, None)
        if self.span.head:
            record, pieces = split_first_record(pieces, quoted=self.layout.quoted)
            self._check_header(record)
            at += len(record)
        return at, pieces

    def _json(self, pieces: Iterator[bytes], at: int) -> Iterator[bytes]:
        if self.layout.array:
            return element_lines(pieces, at)
        if self.span.start:
            return pieces
        pieces, head = peek(pieces, 1)
        if head[:1] not in b"[ \t\r\n":
            return pieces
        # Pieces keep their sizes, since those decide how many records are answered at once.
        pieces, again = tee(pieces)
        _, head = peek(again, HEAD_BYTES)
        check_alike(head, self.inputs, array=False)
        return pieces

    def _check_quotes(
        self, pieces: Iterator[bytes], at: int, before: int | None
    ) -> Iterator[bytes]:
        """Check a file that was not scanned for what makes its records impossible to tell apart."""
        if not self.layout.quoted or not self.span.is_file:
            yield from pieces
            return
        scanner = Scanner(at, self.layout.delimiter, before)
        for piece in pieces:
            if (nul := piece.find(b"\0")) >= 0:
                raise nul_refusal(at + nul)
            scanner.feed(piece)
            if scanner.fault is not None:
                raise BareQuote(scanner.fault, "a bare quote")
            at += len(piece)
            yield piece
        scan = scanner.finish(None)
        if scan.outside.fault is not None:
            raise BareQuote(scan.outside.fault, "a bare quote")
        if scan.odd:
            raise BareQuote(scan.last_quote or 0, "a quote that is never closed")

    def _check_header(self, record: bytes) -> None:
        check_header(record, self.layout.delimiter, self.layout.columns)


def peek(pieces: Iterator[bytes], size: int) -> tuple[Iterator[bytes], bytes]:
    """Return the pieces unchanged, and their first bytes."""
    held = b""
    for piece in pieces:
        held += piece
        if len(held) >= size:
            break
    return prepend(held, pieces), held


def skip_bytes(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Skip the first bytes."""
    for piece in pieces:
        if size >= len(piece):
            size -= len(piece)
            continue
        yield piece[size:]
        size = 0
