"""A batch job as callers see it: a JSON object, with its progress."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from serval.batch.job.asked_versions import AskedPairs, describe_asked, join_asked
from serval.batch.job.cost import MICRO, Estimate, actual_usage
from serval.batch.job.job import BatchJob, ShardRecord
from serval.batch.job.ports import JobStore
from serval.batch.start.job_request import JobRequest
from serval.clock import Clock, utc_now

COUNTS = (
    "shards_done",
    "rows",
    "rejected",
    "rows_per_second",
    "percent",
    "seconds_left",
    "cost_usd",
)
"""Members that report progress; null if unknown."""


@dataclass(frozen=True, slots=True)
class JobDocuments:
    """Describes jobs."""

    store: JobStore
    clock: Clock = utc_now

    def describe(self, job: BatchJob) -> dict[str, Any]:
        """Describe a job; a running one with the progress of its shards."""
        if not job.open or not job.shards:
            return self.describe_row(job)
        return describe_job(job) | describe_progress(
            job, list(self.store.shards(job.id)), self.clock()
        )

    def describe_row(self, job: BatchJob) -> dict[str, Any]:
        """Describe a job by its row alone, without the progress of a running one."""
        return (
            describe_job(job) | dict.fromkeys(COUNTS) | ({} if job.open else describe_result(job))
        )


def describe_job(job: BatchJob) -> dict[str, Any]:
    """Describe what a job is, without its progress."""
    document: dict[str, Any] = {
        "id": job.id,
        "status": job.status,
        "model": job.model,
        "version": job.version,
        "origin": job.origin,
        "input": one_or_list(job.input),
        "output": job.output or None,
        "created": job.created,
        "started": job.started,
        "finished": job.finished,
        "attempt": job.attempt,
        "error": job.error or job.stop_reason,
        "shards": job.shards,
        "columns": list(job.columns),
        "estimate": describe_estimate(job),
    }
    if job.name:
        document["schedule"] = job.name
    if job.cancel_requested:
        document["cancel_requested"] = True
    return document


def describe_estimate(job: BatchJob) -> dict[str, Any] | None:
    """Describe the estimate, or return None before the job is planned."""
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


def describe_preview(
    request: JobRequest, version: str, output: str, seen: Estimate
) -> dict[str, Any]:
    """Describe what a job would take if it were started."""
    return {
        "dry_run": True,
        "model": request.model,
        "version": version,
        "input": one_or_list(request.input),
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


def one_or_list(addresses: Sequence[str]) -> str | list[str]:
    """Return a single address as it is, several as a list."""
    return addresses[0] if len(addresses) == 1 else list(addresses)


def describe_progress(
    job: BatchJob, shards: Sequence[ShardRecord], now: datetime
) -> dict[str, Any]:
    """Add up the progress of a running job's shards.

    Rows per second and the remaining time are those of the newest attempt.
    """
    newest = [shard for shard in shards if shard.attempt == job.attempt]
    # What an earlier attempt began and did not finish is done again, so it counts only then.
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
        "cost_usd": actual_usage(job, shards).microdollars() / MICRO,
        **describe_steps(join_asked(*(shard.step_versions for shard in counted))),
    }


def describe_result(job: BatchJob) -> dict[str, Any]:
    """Describe what a finished job did; only a job of one attempt has a rate."""
    seconds = _seconds(job, None)
    rated = job.attempt == 1 and job.rows and seconds
    return {
        "shards_done": job.shards_done,
        "rows": job.rows,
        "rejected": job.rejected,
        "rows_per_second": round(job.rows / seconds, 1) if rated else None,
        "percent": 100.0 if job.status == "succeeded" else None,
        "cost_usd": job.microdollars / MICRO,
        **describe_steps(job.step_versions),
    }


def describe_steps(asked: AskedPairs) -> dict[str, Any]:
    """Describe which versions the steps of a pipeline asked; of other models nothing."""
    return {"step_versions": describe_asked(asked)} if asked else {}


def _seconds(job: BatchJob, now: datetime | None) -> float:
    """Return how long the newest attempt has taken so far, or took."""
    end = datetime.fromisoformat(job.finished) if job.finished else now
    if job.started is None or end is None:
        return 0.0
    return max(0.0, (end - datetime.fromisoformat(job.started)).total_seconds())
