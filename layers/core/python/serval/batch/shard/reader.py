"""Reading of a shard: blocks of the files, or objects, that its item names, and where to go on."""

import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from serval.batch.input.columns import InputColumns
from serval.batch.input.csv.records import CsvRecords
from serval.batch.input.jsonl.records import JsonlRecords
from serval.batch.input.objects import ObjectRecords
from serval.batch.input.parquet.columns import needs_of
from serval.batch.input.parquet.download import download
from serval.batch.input.parquet.needs import NeededRows
from serval.batch.input.parquet.records import ParquetRecords, rows_per_slice
from serval.batch.input.partition_columns import NO_PARTITION, Partition, partition_of
from serval.batch.input.records import Block, Records
from serval.batch.input.text import Span, TextSpan
from serval.batch.job.asked_versions import join_asked
from serval.batch.job.job import OutputPiece, ShardRecord
from serval.batch.job.keys import Address, JobKeys, Source
from serval.batch.job.layout import Layout, ShardItem
from serval.batch.job.ports import BatchObjects
from serval.models.signature import TensorSpec

FETCHED_AHEAD = 8
SMALL_BYTES = 2**20
"""Files up to this size are fetched whole, ahead of their turn."""


@dataclass(frozen=True, slots=True)
class ReadPosition:
    """Where an earlier invocation stopped."""

    span: int
    offset: int
    first: int


@dataclass(slots=True)
class ShardReader:
    """Reads one shard."""

    objects: BatchObjects
    layout: Layout
    item: ShardItem
    specs: Sequence[TensorSpec]
    """The model's inputs."""
    output: Address
    """The job's output prefix, where the lists of files and footers lie."""
    folder: Path
    """For data that must be on disk; empty at the start, and deleted with the shard."""
    disk_bytes: int
    pool: Executor
    records: int = 0
    """Number of the record after the last one read, in the file read last."""
    raw_bytes: int = 0
    """Bytes read from the files as stored."""
    _inputs: list[InputColumns] = field(default_factory=list)

    def __post_init__(self) -> None:
        own = self.layout.inputs
        self._inputs = [
            InputColumns(spec, own[spec.name]) for spec in self.specs if spec.name in own
        ]

    @property
    def reader(self) -> Records:
        """Reader of blocks that do not bring their own."""
        layout = self.layout
        if layout.format == "csv":
            return self._csv(NO_PARTITION)
        if layout.format == "objects":
            joined = layout.columns[0] if layout.join else ""
            return ObjectRecords(self.specs[0], self._fetch, self.pool, joined)
        return JsonlRecords(self.specs, keep=layout.join)

    def _csv(self, partition: Partition) -> CsvRecords:
        layout = self.layout
        return CsvRecords(
            layout.columns,
            self._inputs,
            layout.delimiter,
            layout.join,
            layout.quoted,
            layout.csv,
            partition,
        )

    def blocks(self, begin: ReadPosition | None) -> Iterator[Block]:
        """Yield the blocks, from where an earlier invocation stopped."""
        if self.layout.format == "objects":
            return self._objects(begin)
        if self.layout.format == "parquet":
            return self._parquet(begin)
        return self._text(begin)

    def _spans(self) -> list[Span]:
        item = self.item
        first = item.first or 0
        if item.source is not None:
            return [Span(item.source, item.start, item.end, first, item.head)]
        return [
            Span(source, 0, source.size_bytes, 0, item.head, number)
            for number, source in enumerate(self._list_files())
        ]

    def _list_files(self) -> list[Source]:
        return [Source.from_json(json.loads(line)) for line in self._lines()]

    def _lines(self) -> list[bytes]:
        key = JobKeys(self.output.key).files
        whole = OutputPiece(key, self.item.end)
        return self.objects.read_piece(
            self.output.bucket, whole, self.item.start, self.item.end
        ).splitlines(keepends=True)

    def _text(self, begin: ReadPosition | None) -> Iterator[Block]:
        spans = self._spans()[begin.span if begin else 0 :]
        for span, raw in self._fetch_spans(spans, begin):
            here = begin if begin is not None and begin.span == span.number else None
            text = TextSpan(self.layout, span, self._count_bytes(raw), inputs=self.specs)
            if here is not None:
                text.offset, text.first = here.offset, here.first
            records = None
            if self.layout.partitions:
                records = self._csv(partition_of(span.source, self.layout.partitions))
            for block in text.blocks():
                self.records = text.records
                yield replace(block, records=records)
            self.records = text.records

    def _fetch_spans(
        self, spans: Iterable[Span], begin: ReadPosition | None
    ) -> Iterator[tuple[Span, Iterable[bytes]]]:
        """Yield the bytes of each span; small files are fetched ahead of their turn."""
        waiting: deque[tuple[Span, Future[bytes] | None]] = deque()
        for span in spans:
            small = span.number > 0 and span.end - span.start <= SMALL_BYTES
            waiting.append((span, self.pool.submit(self._fetch, span.source) if small else None))
            if len(waiting) > FETCHED_AHEAD:
                yield self._ready(*waiting.popleft(), begin)
        while waiting:
            yield self._ready(*waiting.popleft(), begin)

    def _ready(
        self, span: Span, body: "Future[bytes] | None", begin: ReadPosition | None
    ) -> tuple[Span, Iterable[bytes]]:
        start = span.start
        if begin is not None and begin.span == span.number and self.layout.is_raw:
            start = begin.offset
        if body is not None:
            return span, [body.result()[start:]]
        return span, self.objects.read(span.source, start, span.end, self.layout.block_bytes)

    def _fetch(self, source: Source) -> bytes:
        return b"".join(self.objects.read(source, 0, source.size_bytes, SMALL_BYTES))

    def _count_bytes(self, raw: Iterable[bytes]) -> Iterator[bytes]:
        for piece in raw:
            self.raw_bytes += len(piece)
            yield piece

    def _parquet(self, begin: ReadPosition | None) -> Iterator[Block]:
        for span in self._spans()[begin.span if begin else 0 :]:
            yield from self._rows_of(span, begin)

    def _rows_of(self, span: Span, begin: ReadPosition | None) -> Iterator[Block]:
        needed = self._find_needs(span)
        end = span.end if self.item.source is not None else needed.first + needed.rows
        start = begin.first if begin is not None and begin.span == span.number else span.start
        path = self.folder / f"{span.number}.parquet"
        download(self.objects, span.source, needed, path, self.pool, self.disk_bytes)
        layout = self.layout
        records = ParquetRecords(
            path,
            needed.first,
            end,
            rows_per_slice(layout.block_rows, needed.decoded_bytes),
            self.specs,
            self._inputs,
            layout.lists,
            layout.joined,
            needed.row_bytes,
            layout.times,
            layout.joined_types,
            layout.output != "parquet",
            partition_of(span.source, layout.partitions),
        )
        file = str(span.source.address) if layout.several_files else ""
        for first, behind, of_slice in records.slices(start):
            self.records = behind
            yield Block(b"", first, first, span.number, file, of_slice)
        path.unlink()

    def _find_needs(self, span: Span) -> NeededRows:
        """Return what the plan stored for the shard, else read the file's footer."""
        if self.item.needed is None:
            needs = needs_of(
                self.objects, span.source, self.layout.needed_columns, self.layout.partitions
            )
            whole = self.item.source is None
            return needs.rows(span.start, needs.footer.rows if whole else span.end)
        start, end = self.item.needed
        key = JobKeys(self.output.key).footers
        line = self.objects.read_piece(self.output.bucket, OutputPiece(key, end), start, end)
        return NeededRows.from_json(json.loads(line))

    def _objects(self, begin: ReadPosition | None) -> Iterator[Block]:
        first = self.item.first or 0
        lines = self._lines()
        skipped = begin.first - first if begin else 0
        start = skipped
        held = 0
        for index in range(skipped, len(lines)):
            size = json.loads(lines[index])["size"]
            full = held + size > self.layout.block_bytes or index - start >= self.layout.block_rows
            if index > start and full:
                yield self._object_block(lines[start:index], first + start)
                start, held = index, 0
            held += size
        if start < len(lines):
            yield self._object_block(lines[start:], first + start)

    def _object_block(self, lines: Sequence[bytes], first: int) -> Block:
        self.records = first + len(lines)
        return Block(b"".join(lines), first, first)


COUNTED = (
    "rows", "rejected", "records", "read_bytes", "written_bytes", "detections", "run_ms", "busy_ms",
)  # fmt: skip
SHOWN_CHARACTERS = 300
"""Of each reason."""


@dataclass(frozen=True, slots=True)
class Resume:
    """What an invocation leaves to the next one."""

    piece: int
    begin: ReadPosition
    done: ShardRecord

    def to_json(self) -> dict[str, Any]:
        """Return the state as the state machine and the shard's row store it."""
        return {
            "piece": self.piece,
            "span": self.begin.span,
            "offset": self.begin.offset,
            "first": self.begin.first,
            "counts": {name: getattr(self.done, name) for name in COUNTED},
            "reasons": [reason[:SHOWN_CHARACTERS] for reason in self.done.reasons],
            "pieces": [piece.to_json() for piece in self.done.pieces],
            "errors": [piece.to_json() for piece in self.done.errors],
            "step_versions": self.done.step_versions,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any], record: ShardRecord) -> "Resume":
        """Read what ``to_json`` returned; ``record`` says which shard it belongs to."""
        done = replace(
            record,
            **value["counts"],
            reasons=tuple(value["reasons"]),
            pieces=tuple(OutputPiece(**piece) for piece in value["pieces"]),
            errors=tuple(OutputPiece(**piece) for piece in value["errors"]),
            step_versions=join_asked(value.get("step_versions", ())),
        )
        begin = ReadPosition(value["span"], value["offset"], value["first"])
        return cls(value["piece"], begin, done)
