"""What a shard looks at between two blocks: its time, the job's row, and how much it rejected."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from serval.batch.job import lifecycle
from serval.batch.job.job import BatchJob, ShardRecord
from serval.batch.job.lifecycle import JobStopped
from serval.batch.job.ports import JobStore, change
from serval.batch.shard.engine import RowCounts
from serval.clock import Clock, timestamp
from serval.errors import BatchJobNotFound

LOOK_SECONDS = 5.0
"""Between two looks at the job's row, and two writes of the shard's."""
RESERVE_SECONDS = 30.0
"""Left for closing what is written, when no further block is begun."""
BLOCKS_RESERVED = 2.0
"""Times the longest block so far, that must be left beside that."""
ESTIMATE_MARGIN = 2.0
"""Times the estimate, that a job may have rows, where nobody has counted them."""


@dataclass(slots=True)
class Looks:
    """Looks, for one invocation of one shard."""

    store: JobStore
    job: BatchJob
    record: ShardRecord
    """As it stood when the invocation began."""
    remaining: Callable[[], float]
    """Gives the seconds until the invocation has to end."""
    beat: Callable[[], None]
    """Says that the shard is alive, and raises if nobody waits for it any more."""
    clock: Clock
    timer: Callable[[], float]
    counts: RowCounts = field(default_factory=RowCounts)
    """Of the blocks that are written."""
    answered: RowCounts = field(default_factory=RowCounts)
    """Of all that is answered, as it was at the last look: some of it is not written yet."""
    raw_bytes: Callable[[], int] | None = None
    """Gives what was read of a file as it lies there, where that is not what its blocks have."""
    began: float = 0.0
    _looked: float = 0.0
    _block: float = 0.0
    _longest: float = 0.0

    def __post_init__(self) -> None:
        self.began = self._looked = self._block = self.timer()

    def hurry(self) -> bool:
        """Look around between two blocks; tell whether no further one is to be begun.

        Raises
        ------
        JobStopped
            If the job has ended, or is to end.
        """
        now = self.timer()
        self._longest, self._block = max(self._longest, now - self._block), now
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            self.look()
        return self.remaining() < RESERVE_SECONDS + BLOCKS_RESERVED * self._longest

    def within(self, answered: RowCounts) -> None:
        """Hear what is answered; look around if the last look is some seconds ago."""
        now = self.timer()
        if now - self._looked >= LOOK_SECONDS:
            self._looked, self.answered = now, answered
            self.look()

    def look(self) -> None:
        """Say how far the shard is, and see whether it is to go on."""
        self.say()
        found = self.store.find(self.job.id)
        if found is None:
            raise BatchJobNotFound(self.job.id)
        if found.stopping:
            raise JobStopped(found)

    def say(self) -> None:
        """Say how far the shard is."""
        self.beat()
        self.store.record(self.so_far())

    def seen(self, counts: RowCounts) -> None:
        """Hear what was done; stop the whole job if this shard alone rejects too much.

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
        reason = too_many(
            f"shard {self.record.index} alone rejected {rejected} records, more than "
            f"{self.job.options.max_rejected_percent:g} % of {about}{self.job.estimated_rows} rows",
            [*self.record.reasons, *counts.reasons],
        )
        raise JobStopped(
            change(self.store, self.job, lambda row: lifecycle.stop(row, reason, self.clock()))
        )

    def at_end(self) -> ShardRecord:
        """Give the shard's row as it stands when all that is answered is written."""
        self.answered = RowCounts()
        return self.so_far()

    def so_far(self) -> ShardRecord:
        """Give the shard's row as it stands now."""
        before, counts = self.record, self.counts
        if self.answered.rows + self.answered.rejected > counts.rows + counts.rejected:
            counts = replace(self.answered, written_bytes=counts.written_bytes)
        read_bytes = before.read_bytes + counts.read_bytes
        return replace(
            before,
            updated=timestamp(self.clock()),
            rows=before.rows + counts.rows,
            rejected=before.rejected + counts.rejected,
            read_bytes=self.raw_bytes() if self.raw_bytes else read_bytes,
            written_bytes=before.written_bytes + counts.written_bytes,
            run_ms=before.run_ms + round(counts.run_seconds * 1e3),
            busy_ms=before.busy_ms + round((self.timer() - self.began) * 1e3),
            reasons=(*before.reasons, *counts.reasons)[:10],
        )


def allowed_rejects(job: BatchJob) -> float:
    """Give how many records a job may reject, as far as its rows are known."""
    rows = job.estimated_rows * (1.0 if job.exact_rows else ESTIMATE_MARGIN)
    return rows * job.options.max_rejected_percent / 100


def too_many(what: str, reasons: list[str]) -> str:
    """Say why a job fails that rejects too much, with the first ten reasons."""
    return f"{what}. The first reasons: " + "; ".join(reason[:300] for reason in reasons[:10])
