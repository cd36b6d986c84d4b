"""Checks of a running shard between blocks: its time, the job's row, and its rejects."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from serval.batch.job import lifecycle
from serval.batch.job.asked_versions import AskedVersions, join_asked
from serval.batch.job.job import BatchJob, ShardRecord
from serval.batch.job.lifecycle import JobStopped, change_job
from serval.batch.job.ports import JobStore
from serval.batch.shard.engine import RowCounts
from serval.clock import Clock, timestamp
from serval.errors import BatchJobNotFound

CHECK_SECONDS = 5.0
"""Time between two checks of the job's row, and two writes of the shard's."""
RESERVE_SECONDS = 30.0
"""Time kept for closing what is written, after the last block."""
BLOCKS_RESERVED = 2.0
"""Multiple of the longest block so far that must also be left to begin another."""
ESTIMATE_MARGIN = 2.0
"""Multiple of the estimated rows that a job may have if they were not counted."""


@dataclass(slots=True)
class ShardWatch:
    """Watches one invocation of one shard."""

    store: JobStore
    job: BatchJob
    record: ShardRecord
    """The record when the invocation began."""
    remaining: Callable[[], float]
    """Returns the seconds until the invocation must end."""
    beat: Callable[[], None]
    """Reports that the shard is alive; raises if nobody waits for it any more."""
    clock: Clock
    timer: Callable[[], float]
    counts: RowCounts = field(default_factory=RowCounts)
    """Counts of the written blocks."""
    answered: RowCounts = field(default_factory=RowCounts)
    """Counts of everything answered at the last check; some of it is not written yet."""
    raw_bytes: Callable[[], int] | None = None
    """Returns the bytes read from a stored file, where blocks do not count them."""
    asked: AskedVersions = field(default_factory=AskedVersions)
    """What the steps of a pipeline have asked in this invocation."""
    began: float = 0.0
    _checked_at: float = 0.0
    _block: float = 0.0
    _longest: float = 0.0

    def __post_init__(self) -> None:
        self.began = self._checked_at = self._block = self.timer()

    def should_stop(self) -> bool:
        """Check job and time between two blocks; return whether to stop before the next one.

        Raises
        ------
        JobStopped
            If the job has ended or is about to end.
        """
        now = self.timer()
        self._longest, self._block = max(self._longest, now - self._block), now
        if now - self._checked_at >= CHECK_SECONDS:
            self._checked_at = now
            self.check_job()
        return self.remaining() < RESERVE_SECONDS + BLOCKS_RESERVED * self._longest

    def after_run(self, answered: RowCounts) -> None:
        """Take the counts of what is answered; check the job every few seconds."""
        now = self.timer()
        if now - self._checked_at >= CHECK_SECONDS:
            self._checked_at, self.answered = now, answered
            self.check_job()

    def may_wait(self) -> bool:
        """Check the job every few seconds; return whether there is time to wait for answers.

        Raises
        ------
        JobStopped
            If the job has ended or is about to end.
        """
        self.after_run(self.answered)
        return self.remaining() >= RESERVE_SECONDS

    def check_job(self) -> None:
        """Record the progress, and raise ``JobStopped`` if the shard should stop."""
        self.report()
        found = self.store.find(self.job.id)
        if found is None:
            raise BatchJobNotFound(self.job.id)
        if found.stopping:
            raise JobStopped(found)

    def report(self) -> None:
        """Record how far the shard is."""
        self.beat()
        self.store.record(self.current_record())

    def after_block(self, counts: RowCounts) -> None:
        """Take the counts of what is written; stop the job if this shard alone rejects too much.

        Raises
        ------
        JobStopped
            If it does.
        """
        self.counts = counts
        rejected = self.record.rejected + counts.rejected
        if rejected <= allowed_rejects(self.job):
            return
        about = "" if self.job.exact_rows else "about "
        reason = describe_rejects(
            f"shard {self.record.index} alone rejected {rejected} records, more than "
            f"{self.job.options.max_rejected_percent:g} % of {about}{self.job.estimated_rows} rows",
            [*self.record.reasons, *counts.reasons],
        )
        raise JobStopped(
            change_job(self.store, self.job, lambda row: lifecycle.stop(row, reason, self.clock()))
        )

    def final_record(self) -> ShardRecord:
        """Return the shard's record when everything answered is written."""
        self.answered = RowCounts()
        return self.current_record()

    def current_record(self) -> ShardRecord:
        """Return the shard's record as of now."""
        before, counts = self.record, self.counts
        if self.answered.rows + self.answered.rejected > counts.rows + counts.rejected:
            counts = replace(
                self.answered,
                written_bytes=counts.written_bytes,
                detections=counts.detections,  # told before they are written
            )
        read_bytes = before.read_bytes + counts.read_bytes
        return replace(
            before,
            updated=timestamp(self.clock()),
            rows=before.rows + counts.rows,
            rejected=before.rejected + counts.rejected,
            read_bytes=self.raw_bytes() if self.raw_bytes else read_bytes,
            written_bytes=before.written_bytes + counts.written_bytes,
            detections=before.detections + counts.detections,
            run_ms=before.run_ms + round(counts.run_seconds * 1e3),
            busy_ms=before.busy_ms + round((self.timer() - self.began) * 1e3),
            reasons=(*before.reasons, *counts.reasons)[:10],
            step_versions=join_asked(before.step_versions, self.asked.pairs),
        )


def allowed_rejects(job: BatchJob) -> float:
    """Return how many records a job may reject, as far as its rows are known."""
    rows = job.estimated_rows * (1.0 if job.exact_rows else ESTIMATE_MARGIN)
    return rows * job.options.max_rejected_percent / 100


def describe_rejects(what: str, reasons: list[str]) -> str:
    """Return why a job that rejects too much fails, with the first ten reasons."""
    return f"{what}. The first reasons: " + "; ".join(reason[:300] for reason in reasons[:10])
