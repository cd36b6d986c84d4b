"""Outcomes of a job's steps, as the state machine takes them."""

from typing import Any

from serval.batch.job import BatchJob
from serval.batch.lifecycle import why_stopping

LIMIT_REASON_CHARACTERS = 2_000


def ignored(reason: str) -> dict[str, Any]:
    """Give the outcome of what starts no job."""
    return {"outcome": "ignored", "reason": reason}


def refused(job: BatchJob, reason: str) -> dict[str, Any]:
    """Give the outcome of a step that cannot go on."""
    return {"outcome": "refused", "job": job.id, "reason": reason[:LIMIT_REASON_CHARACTERS]}


def cancelled(job: BatchJob) -> dict[str, Any]:
    """Give the outcome of a step of a job that is to end, or has ended."""
    if job.stop_reason is not None and not job.cancel_requested:
        return refused(job, job.stop_reason)
    return {"outcome": "cancelled", "job": job.id, "reason": f"the job {why_stopping(job)}"}
