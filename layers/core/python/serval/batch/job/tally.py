"""Tally of what the shards of a job did."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from serval.batch.job.cost import actual
from serval.batch.job.job import BatchJob, ShardRecord
from serval.batch.job.lifecycle import Done

LISTED_REASONS = 10
SHOWN_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class ShardTally:
    """The shards that have begun, in order."""

    records: tuple[ShardRecord, ...]

    @classmethod
    def of(cls, records: Iterable[ShardRecord]) -> "ShardTally":
        """Take the records of a job's shards."""
        return cls(tuple(records))

    @property
    def done(self) -> list[ShardRecord]:
        """Shards that are done."""
        return [record for record in self.records if record.done]

    @property
    def rows(self) -> int:
        """Rows answered by the shards that are done."""
        return sum(record.rows for record in self.done)

    @property
    def rejected(self) -> int:
        """Records rejected by the shards that are done."""
        return sum(record.rejected for record in self.done)

    @property
    def busy_ms(self) -> int:
        """Time of all shards together."""
        return sum(record.busy_ms for record in self.records)

    @property
    def reasons(self) -> list[str]:
        """The first ten reasons for rejecting a record, in the order of the input."""
        found = [reason for record in self.records for reason in record.reasons]
        return [reason[:SHOWN_CHARACTERS] for reason in found[:LISTED_REASONS]]

    @property
    def failures(self) -> list[str]:
        """Why shards are not done: their own reasons if they have any."""
        failed = [
            f"shard {record.index}: {record.error or 'it failed'}"
            for record in self.records
            if record.status == "failed"
        ]
        ended = [
            f"shard {record.index} did not end: it ran out of memory or out of time, or its "
            "machine was lost"
            for record in self.records
            if record.status == "running"
        ]
        return [reason[:SHOWN_CHARACTERS] for reason in (failed or ended)[:LISTED_REASONS]]

    def settled(self, job: BatchJob, assemble_ms: int = 0) -> Done:
        """Return what the job's row records of its shards."""
        return Done(
            rows=self.rows,
            rejected=self.rejected,
            shards_done=len(self.done),
            busy_ms=self.busy_ms,
            assemble_ms=assemble_ms,
            microdollars=actual(job, self.records, assemble_ms).microdollars(),
        )


def joined(what: str, reasons: Sequence[str]) -> str:
    """Append the first reasons to a statement."""
    return f"{what}: {'; '.join(reasons)}" if reasons else what
