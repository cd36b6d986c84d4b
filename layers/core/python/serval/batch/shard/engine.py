"""The shard engine: reading, parsing, running and writing overlap, in bounded memory.

::

    read (thread) ──> parse (thread) ──> run ──> write (thread)
      4 MiB pieces     whole records      batches    output parts

Between two blocks it checks the time: a shard that runs short of it ends with what it has written,
and reports where the next invocation goes on.
"""

import json
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from queue import Full, Queue
from typing import Any, Generic, TypeVar

import numpy as np

from serval.batch.input.records import Block, Records, Reject, Rows, shorten_record
from serval.batch.job.ports import Sink
from serval.batch.shard.answers import (
    Answers,
    RowsPostponed,
    answer_rows,
    fail_binary_answers,
)
from serval.batch.shard.detections import Detail, Detections
from serval.batch.shard.outputs import PartFormat
from serval.inference.runtimes import Model
from serval.models.signature import TensorSpec

POLL_SECONDS = 0.1
LISTED_REASONS = 10


@dataclass(frozen=True, slots=True)
class RowCounts:
    """What a shard, or one piece of it, did."""

    rows: int = 0
    """Rows that were answered."""
    rejected: int = 0
    read_bytes: int = 0
    written_bytes: int = 0
    run_seconds: float = 0.0
    detections: int = 0
    """Labels that are to be told as events."""
    reasons: tuple[str, ...] = ()
    """The first ten reasons for rejecting a row."""

    def plus(self, other: "RowCounts") -> "RowCounts":
        """Return the sum."""
        return RowCounts(
            self.rows + other.rows,
            self.rejected + other.rejected,
            self.read_bytes + other.read_bytes,
            self.written_bytes + other.written_bytes,
            self.run_seconds + other.run_seconds,
            self.detections + other.detections,
            (*self.reasons, *other.reasons)[:LISTED_REASONS],
        )


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a piece of a shard got."""

    counts: RowCounts
    resume: Block | None = None
    """The first block that was not started, or not answered, without its data; None if everything
    is done."""
    seconds: int = 0
    """After which to go on, while answers are waited for."""


@dataclass(frozen=True, slots=True)
class ShardEngine:
    """Works through the blocks of one shard."""

    records: Records
    model: Model
    outputs: Sequence[TensorSpec]
    batch_rows: int
    part: PartFormat
    clock: Callable[[], float]
    should_stop: Callable[[], bool] = lambda: False
    """Returns whether to stop before the next block."""
    after_block: Callable[[RowCounts], None] = lambda counts: None
    """Called with what is done, after each block is written."""

    after_run: Callable[[RowCounts], None] = lambda counts: None
    """Called with what is answered, written or not, after each run within a block."""
    detections: Detections | None = None
    """What is told as events; None: nothing."""

    def run(self, blocks: Iterable[Block], output: Sink, errors: Sink, header: bool) -> Progress:
        """Answer every record, in order; the sinks are closed when everything is written.

        Parameters
        ----------
        header
            Whether the part begins with the header of the output.
        """
        counts, resume, seconds = RowCounts(), None, 0
        try:
            with closing(ahead(self._work_through(blocks, header), depth=2)) as writing:
                for piece in writing:
                    if self.detections is not None:
                        self.detections.tell(piece.detections, counts.detections)
                    counts = counts.plus(piece.counts)
                    resume, seconds = piece.resume, piece.seconds
                    output.write(piece.data)
                    errors.write(piece.errors)
                    self.after_block(counts)
            errors.close()
            output.close()
        except BaseException:
            output.abort()
            errors.abort()
            raise
        return Progress(counts, resume, seconds)

    def _work_through(self, blocks: Iterable[Block], header: bool) -> Iterator["_BlockOutput"]:
        """Run and write, block by block."""
        if header:
            yield _BlockOutput(self.part.header())
        begun, answered = False, RowCounts()
        for block, rows in ahead(self._parse(blocks)):
            if begun and self.should_stop():
                yield _BlockOutput(resume=replace(block, data=b"", records=None))
                return
            begun = True
            try:
                piece = self._answer(block, rows, answered)
            except RowsPostponed as postponed:
                resume = replace(block, data=b"", records=None)
                yield _BlockOutput(resume=resume, seconds=postponed.seconds)
                return
            answered = answered.plus(piece.counts)
            yield piece

    def _parse(self, blocks: Iterable[Block]) -> Iterator[tuple[Block, Rows]]:
        # Closed here: an error's traceback would keep the stage until some thread collects it.
        with closing(ahead(blocks)) as read:
            for block in read:
                records = block.records or self.records
                yield block, records.read(block.data, block.first_record, block.offset)

    def _answer(self, block: Block, rows: Rows, before: RowCounts) -> "_BlockOutput":
        started = self.clock()
        size = len(block.data) if rows.read_bytes is None else rows.read_bytes

        def went(done: int, failed: int) -> None:
            read_bytes = size * done // rows.count
            self.after_run(before.plus(RowCounts(done - failed, failed, read_bytes)))

        answers = answer_rows(self.model, rows, self.outputs, self.batch_rows, went)
        run_seconds = self.clock() - started
        if not self.part.base64:
            answers = fail_binary_answers(answers, rows.count)
        rejects = [*rows.rejects, *_reject_failed(rows, answers)]
        answered = drop_failed_rows(rows, answers)
        data = self.part.write(answered, answers.outputs) if answered.count else b""
        found = self.detections.find(block, answered, answers.outputs) if self.detections else []
        errors = b"".join(
            error_line(reject, block.file)
            for reject in sorted(rejects, key=lambda reject: reject.record)
        )
        counts = RowCounts(
            rows=answered.count,
            rejected=len(rejects),
            read_bytes=size,
            written_bytes=len(data),
            run_seconds=run_seconds,
            detections=len(found),
            reasons=tuple(reject.reason for reject in rejects[:LISTED_REASONS]),
        )
        return _BlockOutput(data, errors, counts, detections=found)


@dataclass(frozen=True, slots=True)
class _BlockOutput:
    """What one block becomes."""

    data: bytes = b""
    errors: bytes = b""
    counts: RowCounts = field(default_factory=RowCounts)
    resume: Block | None = None
    seconds: int = 0
    detections: Sequence[Detail] = ()


def drop_failed_rows(rows: Rows, answers: Answers) -> Rows:
    """Drop the rows that were not answered."""
    if not answers.failures:
        return rows
    failed = {failure.row for failure in answers.failures}
    kept_rows = [row for row in range(rows.count) if row not in failed]
    return replace(
        rows,
        inputs=(),
        count=len(kept_rows),
        numbers=np.array(kept_rows) if rows.numbers is None else rows.numbers[kept_rows],
        names=[rows.names[row] for row in kept_rows] if rows.names else (),
        passed=None if rows.passed is None else rows.passed[kept_rows],
        texts=[rows.texts[row] for row in kept_rows] if rows.texts else (),
    )


def _reject_failed(rows: Rows, answers: Answers) -> Iterator[Reject]:
    """Yield the rows that the model could not answer, as rejects."""
    for failure in answers.failures:
        known: Sequence[Any] = rows.texts or rows.names
        text = known[failure.row] if known else describe_inputs(rows, failure.row)
        yield Reject(rows.record(failure.row), None, failure.reason, shorten_record(text))


def error_line(reject: Reject, file: str) -> bytes:
    """Return a line of ``errors.jsonl``; it names the file if there are several."""
    value = reject.to_json() | ({"file": file} if file else {})
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"


def describe_inputs(rows: Rows, row: int) -> str:
    """Describe a row by the values of its inputs."""
    return ", ".join(f"{t.name}={t.array[row : row + 1].tolist()[0]!r:.200}" for t in rows.inputs)


Item = TypeVar("Item")


def ahead(items: Iterable[Item], depth: int = 1) -> Generator[Item, None, None]:
    """Yield the items, while a thread prepares up to ``depth`` more.

    An error of the stage is raised where its item would have come. A consumer that stops early ends
    the stage after its current item.
    """
    stage = _Stage(items, depth)
    stage.start()
    try:
        while not isinstance(item := stage.ready.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stage.end()


@dataclass(frozen=True, slots=True)
class _End:
    """The end of a stage, or the error that ended it."""

    error: BaseException | None = None


class _Stage(threading.Thread, Generic[Item]):
    """A thread that produces items until there are no more, or nobody wants any."""

    def __init__(self, items: Iterable[Item], depth: int) -> None:
        super().__init__(name="stage", daemon=True)
        self._items = items
        self._unwanted = threading.Event()
        self.ready: Queue[Item | _End] = Queue(depth)

    def run(self) -> None:
        """Produce the items; every way to end is reported to the consumer."""
        try:
            for item in self._items:
                self._put(item)
                if self._unwanted.is_set():
                    return
        except BaseException as error:
            self._put(_End(error))
        else:
            self._put(_End())
        finally:
            self._close()

    def end(self) -> None:
        """Stop the stage, and wait until its current item is done."""
        self._unwanted.set()
        self.join()

    def _close(self) -> None:
        """Close the stages before this one, in the thread that uses them."""
        if isinstance(self._items, Generator):
            self._items.close()

    def _put(self, item: Item | _End) -> None:
        while not self._unwanted.is_set():
            try:
                self.ready.put(item, timeout=POLL_SECONDS)
            except Full:
                continue
            return
