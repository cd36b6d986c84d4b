"""The joined output file and the joined file of rejected records of a job.

S3 makes an object of up to 10,000 parts, all but the last at least 5 MiB. A range of an object that
large is copied by S3. Smaller neighbours are uploaded together until they are large enough, with
the start of the next large one if need be.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256

from serval.batch.assemble.per_input import output_name
from serval.batch.input.parquet.footer import (
    MAGIC,
    MOST_FOOTER_BYTES,
    Footer,
    NotParquet,
    fetch_footer,
)
from serval.batch.input.parquet.joined_footer import JoinedFooter
from serval.batch.job.job import OutputPiece, ShardRecord
from serval.batch.job.keys import BY_INPUT, Address, JobKeys, Part, Range
from serval.batch.job.layout import Layout, ShardItem
from serval.batch.job.ports import BatchObjects
from serval.batch.shard.outputs import PartFormat
from serval.errors import BatchRefused

LEAST_BYTES = 5 * 2**20
"""Of every part but the last."""
MOST_BYTES = 5 * 2**30
"""Of a part."""
MOST_PARTS = 10_000
READ_BYTES = 4 * 2**20
AT_ONCE = 16
"""Files that are written concurrently, where there are several."""


class TooLarge(Exception):
    """The joined Parquet file would have too large a footer; the parts stay the output."""


@dataclass(frozen=True, slots=True)
class Join:
    """Joins what the shards of one job have written."""

    objects: BatchObjects
    output: Address
    layout: Layout
    pool: Executor
    most_parts: int = MOST_PARTS
    most_footer_bytes: int = MOST_FOOTER_BYTES

    @property
    def target(self) -> Address:
        """Address of the one output file."""
        return self._at(JobKeys(self.output.key).output(self.layout.output))

    def write(self, records: Sequence[ShardRecord]) -> Address:
        """Write the output file; it appears whole, or not at all.

        Raises
        ------
        TooLarge
            If it would be a Parquet file with too large a footer.
        """
        self._file(self.target, records, header=not self._has_header(records))
        return self.target

    def write_per_input(
        self,
        items: Sequence[ShardItem],
        records: Mapping[int, ShardRecord],
        inputs: Sequence[Address],
    ) -> Address:
        """Write an output file for each input file; return the prefix of all.

        An input file without any finished shard has no output.

        Raises
        ------
        TooLarge
            If one would be a Parquet file with too large a footer.
        """
        files: dict[Address, list[ShardRecord]] = {}
        for item in items:
            if item.source is not None and item.index in records:
                name = output_name(item.source, inputs, self.layout.output)
                files.setdefault(self._outputs.under(name), []).append(records[item.index])
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda target: self._file(target, files[target], header=True), files))
        return self._outputs

    def withdraw(self) -> None:
        """Delete the output of a job that was ended meanwhile."""
        if self.layout.per_input:
            self.objects.delete([source.address for source in self.objects.list(self._outputs)])
        else:
            self.objects.delete([self.target])

    @property
    def _outputs(self) -> Address:
        return self.output.under(BY_INPUT)

    def _file(self, target: Address, records: Sequence[ShardRecord], *, header: bool) -> None:
        pieces = [piece for record in records for piece in record.pieces]
        if self.layout.output == "parquet":
            self._join(target, self._parquet(pieces))
        else:
            begin = [literal_range(PartFormat.of_layout(self.layout).header())] if header else []
            self._join(target, [*begin, *map(_whole_piece, pieces)])

    def errors(
        self, items: Sequence[ShardItem], records: Mapping[int, ShardRecord]
    ) -> Address | None:
        """Write the rejected records of all shards, with their numbers within their files."""
        target = self._at(JobKeys(self.output.key).errors)
        pieces = [piece for record in records.values() for piece in record.errors]
        if not pieces:
            return None
        if all(item.first is not None for item in items):
            self._join(target, list(map(_whole_piece, pieces)))
            return target
        sink = self.objects.sink(target)
        try:
            for line in self._renumber(items, records):
                sink.write(line)
            sink.close()
        except BaseException:
            sink.abort()
            raise
        return target

    def _has_header(self, records: Sequence[ShardRecord]) -> bool:
        """Return whether the first part begins with the header."""
        return bool(records) and records[0].index == 0

    def _join(self, target: Address, ranges: Sequence[Range]) -> None:
        parts = plan_parts(ranges)
        if len(parts) <= self.most_parts:
            self.objects.join(target, parts)
            return
        between: list[OutputPiece] = []
        for number, some in enumerate(split_parts(parts, self.most_parts)):
            own = sha256(target.key.encode()).hexdigest()[:16]
            address = self._at(f"{self.output.key}plan/joined-{own}-{number}")
            self.objects.join(address, list(some))
            between.append(OutputPiece(address.key, sum(part.size_bytes for part in some)))
        self._join(target, list(map(_whole_piece, between)))
        self.objects.delete([self._at(piece.key) for piece in between])

    def _parquet(self, pieces: Sequence[OutputPiece]) -> list[Range]:
        if not pieces:
            return [literal_range(PartFormat.of_layout(self.layout).empty())]
        footer = JoinedFooter()
        ranges = [literal_range(MAGIC)]
        at = len(MAGIC)
        for piece, own in zip(pieces, self.pool.map(self._footer, pieces), strict=True):
            try:
                footer.add(own, at - len(MAGIC))
            except NotParquet as problem:
                raise BatchRefused(
                    f"{piece.key}: {problem}: the files of the input have columns of other types"
                ) from None
            if footer.size_bytes > self.most_footer_bytes:
                raise TooLarge
            ranges.append(Range(piece, len(MAGIC), own.body_end))
            at += own.body_end - len(MAGIC)
        return [*ranges, literal_range(footer.end())]

    def _footer(self, piece: OutputPiece) -> Footer:
        return fetch_footer(piece.size_bytes, partial(self._tail, piece))

    def _tail(self, piece: OutputPiece, size: int) -> bytes:
        start = max(0, piece.size_bytes - size)
        return self.objects.read_piece(self.output.bucket, piece, start, piece.size_bytes)

    def _renumber(
        self, items: Sequence[ShardItem], records: Mapping[int, ShardRecord]
    ) -> Iterator[bytes]:
        """Yield the lines of all shards; those after a missing shard have no record number."""
        file, behind = -1, 0
        known = True
        for item in items:
            if item.file != file or item.first is not None:
                file, behind, known = item.file, item.first or 0, True
            record = records.get(item.index)
            if record is None:
                known = False
                continue
            base = 0 if item.first is not None else behind
            for piece in record.errors:
                yield from map(_renumbering(base if known else None), self._lines(piece))
            behind = base + record.records

    def _lines(self, piece: OutputPiece) -> Iterator[bytes]:
        held = b""
        for start in range(0, piece.size_bytes, READ_BYTES):
            end = min(start + READ_BYTES, piece.size_bytes)
            held += self.objects.read_piece(self.output.bucket, piece, start, end)
            *lines, held = held.split(b"\n")
            yield from lines

    def _at(self, key: str) -> Address:
        return Address(self.output.bucket, key)


def _whole_piece(piece: OutputPiece) -> Range:
    return Range(piece, 0, piece.size_bytes)


def _renumbering(by: int | None) -> Callable[[bytes], bytes]:
    def move(line: bytes) -> bytes:
        value = json.loads(line)
        value["record"] = None if by is None else value["record"] + by
        return json.dumps(value, ensure_ascii=False).encode() + b"\n"

    return move


def literal_range(body: bytes) -> Range:
    """Return literal bytes as a range."""
    return Range(None, 0, len(body), body)


def split_parts(parts: Sequence[Part], most: int = MOST_PARTS) -> list[Sequence[Part]]:
    """Divide parts evenly into as few objects as can hold them."""
    if len(parts) <= most:
        return [parts]
    count = math.ceil(len(parts) / most)
    each = math.ceil(len(parts) / count)
    return [parts[first : first + each] for first in range(0, len(parts), each)]


def plan_parts(
    ranges: Sequence[Range], least: int = LEAST_BYTES, most: int = MOST_BYTES
) -> list[Part]:
    """Plan the parts that make up all ranges, in order."""
    return list(_iterate_parts(ranges, least, most))


def _iterate_parts(ranges: Sequence[Range], least: int, most: int) -> Iterator[Part]:
    waiting = _WaitingRanges(least)
    for each in ranges:
        rest = each
        if waiting.size_bytes and rest.size_bytes:
            first, rest = split_range(rest, least - waiting.size_bytes)
            waiting.add(first)
        if waiting.size_bytes >= least:
            yield waiting.take()
        if rest.piece is not None and rest.size_bytes >= least:
            yield from _copied_parts(rest, most)
        elif rest.size_bytes:
            waiting.add(rest)
            if waiting.size_bytes >= least:
                yield waiting.take()
    if waiting.size_bytes:
        yield waiting.take()


def _copied_parts(whole: Range, most: int) -> Iterator[Part]:
    """Copy a range, in equal pieces if it is too large for one part."""
    pieces = math.ceil(whole.size_bytes / most)
    each = math.ceil(whole.size_bytes / pieces)
    rest = whole
    while rest.size_bytes:
        first, rest = split_range(rest, each)
        yield Part((first,), copied=True)


def split_range(whole: Range, size: int) -> tuple[Range, Range]:
    """Split a range in two; the second may be empty."""
    at = min(whole.start + size, whole.end)
    return Range(whole.piece, whole.start, at, whole.body), Range(
        whole.piece, at, whole.end, whole.body
    )


@dataclass(slots=True)
class _WaitingRanges:
    """Neighbours that wait until they are large enough for a part."""

    least: int
    ranges: list[Range] = field(default_factory=list)
    size_bytes: int = 0

    def add(self, part: Range) -> None:
        self.ranges.append(part)
        self.size_bytes += part.size_bytes

    def take(self) -> Part:
        part = Part(tuple(self.ranges), copied=False)
        self.ranges, self.size_bytes = [], 0
        return part
