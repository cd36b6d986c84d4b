"""Packing of files into shards: large files are cut, small neighbours share a shard."""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import partial

from serval.batch.input.parquet.columns import needs_of
from serval.batch.input.parquet.needs import Needs
from serval.batch.input.records import RECORD_LIMIT_BYTES, mark_length
from serval.batch.job.keys import Source
from serval.batch.job.layout import Layout, OutlineEntry, RangeItem, ScannedFile, ShardItem
from serval.batch.job.ports import BatchObjects
from serval.errors import BatchRefused

MOST_SHARDS = 10_000
FILES_OF_A_SHARD = 1_000
SCAN_BYTES = 256 * 2**20
"""Bytes that one scan reads."""
MARK_BYTES = 4
BAND = 16
"""Boundaries of a file of lines that are searched at once."""
PROBE_BYTES = 65_536
ReadRange = Callable[[int, int], bytes]
"""Returns the bytes between two offsets; fewer at the end of the file."""


class LineTooLong(Exception):
    """A line is longer than the limit."""

    def __init__(self, offset: int, limit_bytes: int) -> None:
        super().__init__(f"byte {offset}: a line of more than {limit_bytes} bytes begins before it")
        self.offset = offset


@dataclass(frozen=True, slots=True)
class PackedFiles:
    """The shards of a job, as far as they are known before the scans."""

    outline: list[OutlineEntry] = field(default_factory=list)
    ranges: list[RangeItem] = field(default_factory=list)
    files: bytes = b""
    """Lines of ``plan/files.jsonl``: the files that share a shard."""
    footers: bytes = b""
    """Lines of ``plan/footers.jsonl``: what shards need of Parquet files."""
    rows: int | None = None
    """Number of rows, where it is known."""


@dataclass(slots=True)
class Packer:
    """Packs the files of one job."""

    job: str
    objects: BatchObjects
    layout: Layout
    shard_bytes: int
    pool: Executor
    _files: bytearray = field(default_factory=bytearray)
    _footers: bytearray = field(default_factory=bytearray)
    _ranges: list[RangeItem] = field(default_factory=list)
    _rows: int | None = 0

    def pack(self, sources: Sequence[Source], sizes: Sequence[int]) -> PackedFiles:
        """Pack the files; ``sizes`` are what each counts toward the size of a shard."""
        outline: list[OutlineEntry] = []
        most = 1 if self.layout.per_input else FILES_OF_A_SHARD
        for first, last, shared in group_files(self.shard_bytes, sizes, most):
            files = sources[first:last]
            if len(files) > 1 or self.layout.format == "objects":
                outline.append(self._pack_together(first, files))
            elif shared or not self.layout.is_cut:
                outline.append(self._pack_whole(first, files[0]))
            else:
                outline += self._cut(first, files[0])
        footers = bytes(self._footers)
        return PackedFiles(outline, self._ranges, bytes(self._files), footers, self._rows)

    def _pack_together(self, first: int, files: Sequence[Source]) -> ShardItem:
        start = len(self._files)
        for source in files:
            self._files += json.dumps(source.to_json(), separators=(",", ":")).encode() + b"\n"
        if self.layout.format == "objects":
            self._count(len(files))
            return ShardItem(self.job, 0, first, start, len(self._files), first)
        self._count(None)
        return ShardItem(self.job, 0, first, start, len(self._files), 0, head=self.layout.header)

    def _pack_whole(self, file: int, source: Source) -> ShardItem:
        if self.layout.format == "parquet":
            needs = needs_of(
                self.objects, source, self.layout.needed_columns, self.layout.partitions
            )
            return self._rows_item(file, source, needs, 0, needs.footer.rows)
        self._count(None)
        return ShardItem(self.job, 0, file, 0, source.size_bytes, 0, self.layout.header, source)

    def _cut(self, file: int, source: Source) -> Iterator[OutlineEntry]:
        if self.layout.format == "parquet":
            return self._row_ranges(file, source)
        self._count(None)
        mark = self._read_mark(source)
        if self.layout.format == "csv" and self.layout.quoted:
            return iter([self._scan_later(file, source, mark)])
        return self._lines(file, source, mark)

    def _read_mark(self, source: Source) -> int:
        try:
            return mark_length(b"".join(self.objects.read(source, 0, MARK_BYTES, MARK_BYTES)))
        except BatchRefused as refused:
            raise BatchRefused(f"{source.address}: {refused}") from None

    def _scan_later(self, file: int, source: Source, mark: int) -> ScannedFile:
        step = self.shard_bytes
        each = step * max(1, SCAN_BYTES // step)
        first = len(self._ranges)
        for number, start in enumerate(range(mark, source.size_bytes, each)):
            end = min(start + each, source.size_bytes)
            self._ranges.append(
                RangeItem(
                    self.job, first + number, start, end, step, self.layout.delimiter, mark, source
                )
            )
        return ScannedFile(file, source, mark, first, len(self._ranges) - first)

    def _lines(self, file: int, source: Source, mark: int) -> Iterator[ShardItem]:
        """Cut at the first line after each boundary; several boundaries are searched at once."""
        boundaries = range(mark + self.shard_bytes, source.size_bytes, self.shard_bytes)
        look = partial(next_line, source.size_bytes, read=partial(self._read, source))
        try:
            found = sorted({mark, *self._begins(look, boundaries)} - {source.size_bytes})
        except LineTooLong as problem:
            raise BatchRefused(f"{source.address}: {problem}") from None
        for start, end in zip(found, [*found[1:], source.size_bytes], strict=True):
            first = start == mark
            yield ShardItem(
                self.job,
                0,
                file,
                start,
                end,
                0 if first else None,
                first and self.layout.header,
                source,
            )

    def _begins(self, look: Callable[[int], int], boundaries: range) -> set[int]:
        """Find the starts of lines after boundaries, a band of them at once.

        A boundary inside a line whose end is already known is skipped.
        """
        found: set[int] = set()
        while boundaries:
            found.update(self.pool.map(look, boundaries[:BAND]))
            behind = max(found) - boundaries.start
            boundaries = boundaries[max(len(boundaries[:BAND]), behind // boundaries.step + 1) :]
        return found

    def _read(self, source: Source, start: int, end: int) -> bytes:
        return b"".join(self.objects.read(source, start, end, end - start))

    def _row_ranges(self, file: int, source: Source) -> Iterator[ShardItem]:
        needs = needs_of(self.objects, source, self.layout.needed_columns, self.layout.partitions)
        most = max(1, math.ceil(needs.footer.rows * self.shard_bytes / source.size_bytes))
        for start, end in row_cuts([group.rows for group in needs.groups], most):
            yield self._rows_item(file, source, needs, start, end)

    def _rows_item(
        self, file: int, source: Source, needs: Needs, start: int, end: int
    ) -> ShardItem:
        self._count(end - start)
        at = len(self._footers)
        needed = needs.rows(start, end).to_json()
        self._footers += json.dumps(needed, separators=(",", ":")).encode() + b"\n"
        return ShardItem(
            self.job, 0, file, start, end, start, source=source, needed=(at, len(self._footers))
        )

    def _count(self, rows: int | None) -> None:
        self._rows = None if rows is None or self._rows is None else self._rows + rows


def number_shards(items: Sequence[ShardItem]) -> list[ShardItem]:
    """Return the shards with their numbers, in the order of the input."""
    return [replace(item, index=index) for index, item in enumerate(items)]


def group_files(
    shard_bytes: int, sizes: Sequence[int], most: int = FILES_OF_A_SHARD
) -> list[tuple[int, int, bool]]:
    """Group files in order into (first, end, whether they share a shard)."""
    runs: list[tuple[int, int, bool]] = []
    first = held = 0
    for index, size in enumerate(sizes):
        if index > first and (held + size > shard_bytes or index - first >= most):
            runs.append((first, index, True))
            first, held = index, 0
        if size > shard_bytes:
            runs.append((index, index + 1, False))
            first, held = index + 1, 0
        else:
            held += size
    if first < len(sizes):
        runs.append((first, len(sizes), True))
    return runs


def least_shard_bytes(wished: int, sizes: Sequence[int]) -> int:
    """Return the smallest shard size, from ``wished`` up, with at most 10,000 shards."""
    size = max(wished, math.ceil(sum(sizes) / MOST_SHARDS))
    while count_shards(size, sizes) > MOST_SHARDS:
        size = size * 5 // 4 + 1
    return size


def count_shards(shard_bytes: int, sizes: Sequence[int], *, cut: bool = True) -> int:
    """Count the shards of files: large ones may be cut, small neighbours share one."""
    return sum(
        1 if shared or not cut else math.ceil(sum(sizes[first:last]) / shard_bytes)
        for first, last, shared in group_files(shard_bytes, sizes)
    )


def row_cuts(groups: Sequence[int], most: int) -> list[tuple[int, int]]:
    """Cut rows at the ends of row groups where they fit into a shard, else within a row group.

    Row groups are as large as their writer chose, up to the whole file, so a shard cannot always
    consist of whole ones.
    """
    cuts: list[tuple[int, int]] = []
    start = at = 0
    for rows in groups:
        if at > start and at + rows - start > most:
            cuts.append((start, at))
            start = at
        at += rows
        if at - start > most:
            pieces = math.ceil((at - start) / most)
            each = math.ceil((at - start) / pieces)
            cuts += [(first, min(first + each, at)) for first in range(start, at, each)]
            start = at
    if at > start:
        cuts.append((start, at))
    return cuts


def next_line(size: int, boundary: int, read: ReadRange) -> int:
    """Return where the first line at or after a boundary begins; the file's size if none does."""
    for offset in _probes(boundary - 1, size):
        block = read(offset, min(offset + PROBE_BYTES, size))
        if (newline := block.find(b"\n")) >= 0:
            return offset + newline + 1
        if offset + PROBE_BYTES - boundary > RECORD_LIMIT_BYTES:
            raise LineTooLong(boundary, RECORD_LIMIT_BYTES)
    return size


def _probes(offset: int, size: int) -> Iterator[int]:
    yield from range(max(0, offset), size, PROBE_BYTES)
