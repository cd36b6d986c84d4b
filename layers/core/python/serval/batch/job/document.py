"""What callers see of a batch job: a JSON object, with how far it is as its shards say it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from serval.batch.job.cost import actual
from serval.batch.job.job import BatchJob, ShardRecord
from serval.batch.job.ports import JobStore
from serval.batch.start.estimate import Estimate
from serval.batch.start.job_request import AskedJob
from serval.clock import Clock, utc_now

MICRO = 1e6
COUNTS = (
    "shards_done",
    "rows",
    "rejected",
    "rows_per_second",
    "percent",
    "seconds_left",
    "cost_usd",
)
"""Members that tell how far a job is; null: that is not known."""


@dataclass(frozen=True, slots=True)
class JobDocuments:
    """Writes documents."""

    store: JobStore
    clock: Clock = utc_now

    def of(self, job: BatchJob) -> dict[str, Any]:
        """Describe a job; one that goes on with what its shards have done so far."""
        if not job.open or not job.shards:
            return self.listed(job)
        return described(job) | progress(job, list(self.store.shards(job.id)), self.clock())

    def listed(self, job: BatchJob) -> dict[str, Any]:
        """Describe a job by its row alone: how far one is that goes on is not known then."""
        return described(job) | dict.fromkeys(COUNTS) | ({} if job.open else result(job))


def described(job: BatchJob) -> dict[str, Any]:
    """Give what a job is."""
    document: dict[str, Any] = {
        "id": job.id,
        "status": job.status,
        "model": job.model,
        "version": job.version,
        "origin": job.origin,
        "input": plain(job.input),
        "output": job.output or None,
        "created": job.created,
        "started": job.started,
        "finished": job.finished,
        "attempt": job.attempt,
        "error": job.error or job.stop_reason,
        "shards": job.shards,
        "columns": list(job.columns),
        "estimate": estimate(job),
    }
    if job.name:
        document["schedule"] = job.name
    if job.cancel_requested:
        document["cancel_requested"] = True
    return document


def estimate(job: BatchJob) -> dict[str, Any] | None:
    """Give what its plan says; None: it has none yet."""
    if not job.format:
        return None
    return {
        "format": job.format,
        "files": job.files,
        "input_bytes": job.input_bytes,
        "rows": job.estimated_rows,
        "exact_rows": job.exact_rows,
        "seconds": job.estimated_seconds,
        "cost_usd": job.estimated_microdollars / MICRO,
    }


def previewed(asked: AskedJob, version: str, output: str, seen: Estimate) -> dict[str, Any]:
    """Give what a job would take, had it been started."""
    return {
        "dry_run": True,
        "model": asked.model,
        "version": version,
        "input": plain(asked.input),
        "output": output,
        "files": seen.files,
        "input_bytes": seen.input_bytes,
        "rows": seen.rows,
        "exact_rows": seen.exact,
        "shards": seen.shards,
        "columns": list(seen.columns),
        "seconds": seen.seconds,
        "cost_usd": seen.microdollars / MICRO,
    }


def plain(addresses: Sequence[str]) -> str | list[str]:
    """Give one address as it is, several as a list."""
    return addresses[0] if len(addresses) == 1 else list(addresses)


def progress(job: BatchJob, shards: Sequence[ShardRecord], now: datetime) -> dict[str, Any]:
    """Add up what the shards of a job that goes on say.

    Its rate and the time that is left are those of the newest attempt.
    """
    newest = [shard for shard in shards if shard.attempt == job.attempt]
    # What an earlier attempt has begun and not done is done again: it counts when it is.
    counted = [shard for shard in shards if shard.done or shard.attempt == job.attempt]
    seconds = _seconds(job, now)
    rows = sum(shard.rows for shard in newest)
    read = sum(shard.read_bytes for shard in newest)
    whole = min(job.input_bytes, sum(shard.read_bytes for shard in counted))
    left = job.input_bytes - whole
    return {
        "shards_done": sum(shard.done for shard in shards),
        "rows": sum(shard.rows for shard in counted),
        "rejected": sum(shard.rejected for shard in counted),
        "rows_per_second": round(rows / seconds, 1) if rows and seconds else None,
        "percent": round(100 * whole / job.input_bytes, 1) if job.input_bytes else None,
        "seconds_left": round(seconds * left / read) if seconds and read else None,
        "cost_usd": actual(job, shards).microdollars() / MICRO,
    }


def result(job: BatchJob) -> dict[str, Any]:
    """Give what a job that has ended did; the rate is that of a single attempt alone."""
    seconds = _seconds(job, None)
    rated = job.attempt == 1 and job.rows and seconds
    return {
        "shards_done": job.shards_done,
        "rows": job.rows,
        "rejected": job.rejected,
        "rows_per_second": round(job.rows / seconds, 1) if rated else None,
        "percent": 100.0 if job.status == "succeeded" else None,
        "cost_usd": job.microdollars / MICRO,
    }


def _seconds(job: BatchJob, now: datetime | None) -> float:
    """Give how long the newest attempt has taken, or took."""
    end = datetime.fromisoformat(job.finished) if job.finished else now
    if job.started is None or end is None:
        return 0.0
    return max(0.0, (end - datetime.fromisoformat(job.started)).total_seconds())
