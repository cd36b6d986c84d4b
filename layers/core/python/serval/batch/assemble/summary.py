"""``summary.json``: what a job was and what it did, however it ended."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from serval.batch.job.asked_versions import AskedPairs, describe_asked, join_asked
from serval.batch.job.cost import MICRO, PRICES, actual_usage
from serval.batch.job.job import BatchJob, ShardRecord
from serval.batch.job.keys import Address
from serval.batch.job.lifecycle import JobTotals

LISTED_REASONS = 10
SHOWN_CHARACTERS = 300
LISTED_SHARDS = 100


@dataclass(frozen=True, slots=True)
class ShardTally:
    """The shards that have begun, in order."""

    records: tuple[ShardRecord, ...]

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
    def detections(self) -> int:
        """Labels that were to be told as events."""
        return sum(record.detections for record in self.records)

    @property
    def events(self) -> int:
        """Events that were sent about them."""
        return sum(record.events for record in self.records)

    @property
    def busy_ms(self) -> int:
        """Time of all shards together."""
        return sum(record.busy_ms for record in self.records)

    @property
    def step_versions(self) -> AskedPairs:
        """Of a pipeline: what the steps asked in the shards that are done."""
        return join_asked(*(record.step_versions for record in self.done))

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

    def totals(self, job: BatchJob, assemble_ms: int = 0) -> JobTotals:
        """Return what the job's row records of its shards."""
        return JobTotals(
            rows=self.rows,
            rejected=self.rejected,
            shards_done=len(self.done),
            busy_ms=self.busy_ms,
            assemble_ms=assemble_ms,
            microdollars=actual_usage(job, self.records, assemble_ms).microdollars(),
            step_versions=self.step_versions,
        )


def add_reasons(what: str, reasons: Sequence[str]) -> str:
    """Append the first reasons to a statement."""
    return f"{what}: {'; '.join(reasons)}" if reasons else what


def summarise_job(
    job: BatchJob, tally: ShardTally, output: Address | None, errors: Address | None
) -> dict[str, Any]:
    """Return the summary of a job that has ended.

    Parameters
    ----------
    output
        The one file, or the prefix of the parts; None if there is no complete output.
    errors
        The one file of rejected records; None if there is none.
    """
    done = {record.index for record in tally.done}
    missing = [index for index in range(job.shards) if index not in done]
    return {
        "job": job.id,
        "model": job.model,
        "version": job.version,
        "versions": sorted({record.version for record in tally.done}) or [job.version],
        "step_versions": describe_asked(tally.step_versions) or None,
        "status": job.status,
        "error": job.error,
        "origin": job.origin,
        "schedule": job.name or None,
        "input": job.input[0] if len(job.input) == 1 else list(job.input),
        "files": job.files,
        "input_bytes": job.input_bytes,
        "columns": list(job.columns),
        "output": str(output) if output else None,
        "errors": str(errors) if errors else None,
        "rows": job.rows,
        "rejected": job.rejected,
        "reasons": tally.reasons,
        "detections": tally.detections,
        "events": tally.events,
        "shards": job.shards,
        "shards_done": job.shards_done,
        "shards_missing": missing[:LISTED_SHARDS],
        "attempts": job.attempt,
        "options": job.options.to_json(),
        "created": job.created,
        "started": job.started,
        "finished": job.finished,
        "seconds": durations(job, tally),
        "cost": {
            "estimated_usd": job.estimated_microdollars / MICRO,
            "actual_usd": job.microdollars / MICRO,
            "machines_usd": machines_usd(job, tally),
            "prices": PRICES.dated,
        },
    }


def summary_bytes(
    job: BatchJob, tally: ShardTally, output: Address | None, errors: Address | None
) -> bytes:
    """Return the bytes of ``summary.json``."""
    return json.dumps(summarise_job(job, tally, output, errors), indent=2).encode()


def machines_usd(job: BatchJob, tally: ShardTally) -> float | None:
    """Return the cost of a fleet's machines for the job; None if their price is unknown."""
    used = actual_usage(job, tally.records)
    if used.machine_seconds and not job.machine_microdollars_hour:
        return None
    return round(used.machine_microdollars / MICRO, 6)


def durations(job: BatchJob, tally: ShardTally) -> dict[str, float | None]:
    """Return the time that passed, and the time that the functions took together."""
    return {
        "total": seconds_between(job.started, job.finished),
        "plan": job.plan_ms / 1e3,
        "scans": job.scan_ms / 1e3,
        "shards": job.busy_ms / 1e3,
        "model": sum(record.run_ms for record in tally.records) / 1e3,
        "assemble": job.assemble_ms / 1e3,
    }


def seconds_between(started: str | None, finished: str | None) -> float | None:
    """Return the seconds between two times; None if one of them is missing."""
    if started is None or finished is None:
        return None
    passed = datetime.fromisoformat(finished) - datetime.fromisoformat(started)
    return round(passed.total_seconds(), 3)
