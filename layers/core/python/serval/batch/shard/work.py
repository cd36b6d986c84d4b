"""Work on one shard, on Lambda or on a fleet's machine."""

import json
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from serval.batch.job.asked_versions import AskedVersions
from serval.batch.job.job import BatchJob, OutputPiece, ShardRecord
from serval.batch.job.keys import Address, JobKeys, read_address
from serval.batch.job.layout import Layout, ShardItem
from serval.batch.job.lifecycle import JobStopped
from serval.batch.job.ports import BatchObjects, JobStore, PieceSink
from serval.batch.shard.answers import PipelineRows, TaskModel
from serval.batch.shard.detections import Detections, SendDetails
from serval.batch.shard.engine import Progress, ShardEngine
from serval.batch.shard.outputs import PartFormat, part_sink
from serval.batch.shard.reader import ReadPosition, Resume, ShardReader
from serval.batch.shard.watch import ShardWatch
from serval.clock import Clock, timestamp, utc_now
from serval.errors import BatchJobNotFound, BatchRefused
from serval.inference.loaded import Loaded
from serval.inference.runtimes import Model
from serval.models.version import PIPELINE, ModelVersion

AT_ONCE = 16
"""Concurrent requests to S3 of a shard."""
LAYOUTS_KEPT = 4
ERROR_CHARACTERS = 2_000
AskRows = Callable[[ModelVersion, BatchJob, Callable[[], bool], AskedVersions], Model]
"""Takes a version, the job, what checks the job and tells whether there is time to wait, and where
to add what steps ask."""


def do_nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class ShardWork:
    """Works on shards."""

    objects: BatchObjects
    store: JobStore
    load: Callable[[str, str], Loaded]
    """Returns a loaded version of a model."""
    send: SendDetails
    """Sends events about detections."""
    runner: str
    memory_mib: int
    """Memory of the function; 0 on a fleet's machine."""
    disk_bytes: int
    clock: Clock = utc_now
    timer: Callable[[], float] = time.perf_counter
    ask: AskRows | None = None
    """Returns a durable pipeline as a model of rows; None: none comes here."""
    folder: Path | None = None
    """Where files of a shard go; None: the system's temporary folder."""
    layouts: dict[tuple[str, int], Layout] = field(default_factory=dict)
    """By job and attempt: a prefix has one job after another, each with a plan of its own."""

    def run(
        self,
        item: ShardItem,
        resume: Mapping[str, Any] | None,
        remaining: Callable[[], float],
        beat: Callable[[], None] = do_nothing,
    ) -> dict[str, Any]:
        """Work on a shard until it is done or short of time.

        Parameters
        ----------
        remaining
            Returns the seconds until the invocation must end.
        beat
            Called every few seconds; raises if nobody waits for the shard any more.

        Returns
        -------
        dict
            Empty when the shard is done, else ``resume``, the argument of the next call, and
            ``seconds``, if that is to come later.

        Raises
        ------
        JobStopped
            If the job has ended or is about to end.
        BatchRefused
            If the input has changed or is invalid.
        """
        job = self._job(item)
        before = self.store.shard(job.id, item.index)
        if before is not None and before.done:
            return {}
        blank = self._blank(job, item, before)
        begun = Resume.from_json(resume, blank) if resume else None
        done = begun.done if begun else blank
        watch = ShardWatch(self.store, job, done, remaining, beat, self.clock, self.timer)
        try:
            watch.report()
            record, seconds = self._run(job, item, begun, watch)
        except JobStopped:
            raise
        except Exception as error:
            reason = f"{error}"[:ERROR_CHARACTERS] or type(error).__name__
            self.store.record(replace(watch.current_record(), status="failed", error=reason))
            raise
        return self._end(job, record, before, seconds)

    def _job(self, item: ShardItem) -> BatchJob:
        """Return the shard's job, or raise ``JobStopped``."""
        job = self.store.find(item.job)
        if job is None:
            raise BatchJobNotFound(item.job)
        if job.stopping:
            raise JobStopped(job)
        return job

    def _blank(self, job: BatchJob, item: ShardItem, before: ShardRecord | None) -> ShardRecord:
        now = timestamp(self.clock())
        return ShardRecord(
            job=job.id,
            index=item.index,
            attempt=job.attempt,
            runner=self.runner,
            started=before.started if before else now,
            updated=now,
            version=job.version or "",
            memory_mib=self.memory_mib,
        )

    def _run(
        self, job: BatchJob, item: ShardItem, resume: Resume | None, watch: ShardWatch
    ) -> tuple[ShardRecord, int]:
        """Read, answer and write; return the shard's record, and in how many seconds to go on."""
        output = read_address(job.output, "output")
        layout = self._layout(job, output)
        loaded = self.load(job.model, job.version or "")
        memory_mib = self.memory_mib + loaded.record.handler_memory_mib
        watch.record = replace(watch.record, memory_mib=memory_mib)
        number = resume.piece if resume else 0
        sink, errors = self._sinks(output, layout, item, number)
        with (
            tempfile.TemporaryDirectory(prefix="shard-", dir=self.folder) as folder,
            ThreadPoolExecutor(AT_ONCE) as pool,
        ):
            inputs = loaded.record.batch_signature.inputs
            reading = ShardReader(
                self.objects, layout, item, inputs, output, Path(folder), self.disk_bytes, pool
            )
            if not layout.is_raw:
                # Such a file is read from its beginning every time.
                watch.raw_bytes = lambda: reading.raw_bytes
            detections = Detections.of_shard(
                self.send, loaded.record, job.id, item.index, job.input, watch.record.detections
            )
            engine = self._engine(reading, layout, loaded, watch, detections)
            first = item.index == 0 and number == 0
            begins = first and not layout.per_input
            header = layout.output == "csv" and (layout.partitioned or begins)
            blocks = reading.blocks(resume.begin if resume else None)
            progress = engine.run(blocks, sink, errors, header)
        record = record_piece(watch, reading, progress, number, (sink, errors))
        return record, progress.seconds

    def _engine(
        self,
        reading: ShardReader,
        layout: Layout,
        loaded: Loaded,
        watch: ShardWatch,
        detections: Detections | None,
    ) -> ShardEngine:
        return ShardEngine(
            records=reading.reader,
            model=self._model(loaded, watch),
            outputs=layout.outputs,
            batch_rows=layout.batch_rows,
            part=PartFormat.of_layout(layout),
            clock=self.timer,
            should_stop=watch.should_stop,
            after_block=watch.after_block,
            after_run=watch.after_run,
            detections=detections,
        )

    def _model(self, loaded: Loaded, watch: ShardWatch) -> Model:
        if loaded.record.durable and self.ask is not None:
            return self.ask(loaded.record, watch.job, watch.may_wait, watch.asked)
        return model_of(loaded, watch.asked)

    def _sinks(
        self, output: Address, layout: Layout, item: ShardItem, number: int
    ) -> tuple[PieceSink, PieceSink]:
        keys = JobKeys(output.key)
        part = Address(output.bucket, keys.part(item.index, layout.output, number))
        errors = Address(output.bucket, keys.errors_of(item.index, number))
        return part_sink(self.objects.sink(part), layout.output), self.objects.sink(errors)

    def _end(
        self, job: BatchJob, record: ShardRecord, before: ShardRecord | None, seconds: int
    ) -> dict[str, Any]:
        """Record what was done, in the row and beside the parts."""
        if record.resume is not None:
            self.store.record(record)
            later = {"seconds": seconds} if seconds else {}
            return {"resume": json.loads(record.resume), **later}
        output = read_address(job.output, "output")
        done = replace(record, status="done")
        counts = Address(output.bucket, JobKeys(output.key).counts(done.index))
        self.objects.put(counts, json.dumps(counts_of(done)).encode())
        if before is not None:
            self._delete_others(output, done)
        self.store.record(done)
        return {}

    def _layout(self, job: BatchJob, output: Address) -> Layout:
        key = job.id, job.attempt
        known = self.layouts.get(key)
        if known is None:
            address = Address(output.bucket, JobKeys(output.key).plan)
            body = self.objects.get(address)
            if body is None:
                raise BatchRefused(f"{address} is gone: start the job anew")
            while len(self.layouts) >= LAYOUTS_KEPT:
                del self.layouts[next(iter(self.layouts))]
            known = self.layouts[key] = Layout.from_json(json.loads(body))
        return known

    def _delete_others(self, output: Address, done: ShardRecord) -> None:
        """Delete pieces that an earlier attempt wrote beyond those of this one."""
        keys = JobKeys(output.key)
        kept = {piece.key for piece in (*done.pieces, *done.errors)}
        left = [
            source.address
            for folder in (keys.pieces(done.index), keys.errors_in(done.index))
            for source in self.objects.list(Address(output.bucket, folder))
            if source.key not in kept
        ]
        if left:
            self.objects.delete(left)


def model_of(loaded: Loaded, asked: AskedVersions) -> Model:
    """Return what answers rows; in a fleet's shard process that is the worker, tasks included."""
    if loaded.record.runtime == PIPELINE:
        return PipelineRows(loaded, asked)
    return TaskModel(loaded) if loaded.task and loaded.record.batch_task else loaded.model


def record_piece(
    watch: ShardWatch,
    reading: ShardReader,
    progress: Progress,
    number: int,
    sinks: tuple[PieceSink, PieceSink],
) -> ShardRecord:
    """Return the shard's record after an invocation, with where to go on if it is not done."""
    part, errors = (sink.piece() for sink in sinks)
    before = watch.record
    record = replace(
        watch.final_record(),
        records=reading.records,
        pieces=_append_piece(before.pieces, part and replace(part, rows=progress.counts.rows)),
        errors=_append_piece(
            before.errors, errors and replace(errors, rows=progress.counts.rejected)
        ),
    )
    if (at := progress.resume) is None:
        return record
    resume = Resume(number + 1, ReadPosition(at.span, at.offset, at.first_record), record)
    return replace(record, resume=json.dumps(resume.to_json()))


def counts_of(record: ShardRecord) -> dict[str, Any]:
    """Return what is stored beside a shard's part."""
    return {
        "shard": record.index,
        "version": record.version,
        "rows": record.rows,
        "rejected": record.rejected,
        "read_bytes": record.read_bytes,
        "written_bytes": record.written_bytes,
        "run_ms": record.run_ms,
        "busy_ms": record.busy_ms,
        "parts": [piece.to_json() for piece in record.pieces],
        "errors": [piece.to_json() for piece in record.errors],
    }


def _append_piece(
    pieces: tuple[OutputPiece, ...], piece: OutputPiece | None
) -> tuple[OutputPiece, ...]:
    return pieces if piece is None else (*pieces, piece)
