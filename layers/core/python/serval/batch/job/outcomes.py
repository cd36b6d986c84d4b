"""Outcomes of a job's steps for the state machine, and failures that it caught, in plain words."""

import re
from collections.abc import Mapping
from typing import Any

from serval.batch.job.job import BatchJob
from serval.batch.job.lifecycle import why_stopping
from serval.step_failures import message_of

LIMIT_REASON_CHARACTERS = 2_000


def ignored(reason: str) -> dict[str, Any]:
    """Return the outcome of an event that starts no job."""
    return {"outcome": "ignored", "reason": reason}


def refused(job: BatchJob, reason: str) -> dict[str, Any]:
    """Return the outcome of a step that cannot go on."""
    return {"outcome": "refused", "job": job.id, "reason": reason[:LIMIT_REASON_CHARACTERS]}


def cancelled(job: BatchJob) -> dict[str, Any]:
    """Return the outcome of a step whose job has ended or is about to end."""
    if job.stop_reason is not None and not job.cancel_requested:
        return refused(job, job.stop_reason)
    return {"outcome": "cancelled", "job": job.id, "reason": f"the job {why_stopping(job)}"}


TIMED_OUT = re.compile(r"timed out|timeout", re.IGNORECASE)
KILLED = re.compile(r"signal: killed|OutOfMemory|MemoryError|\bbad_alloc\b|Runtime\.ExitError")
BUSY = re.compile(r"TooManyRequests|Rate Exceeded|Throttl", re.IGNORECASE)
THRESHOLD = "States.ExceedToleratedFailureThreshold"


def failure_in_words(error: Mapping[str, Any]) -> str:
    """Describe a failure by the error that Step Functions caught.

    Parameters
    ----------
    error
        ``Error`` and ``Cause``; the cause of a function's error is JSON with ``errorMessage``.
    """
    kind, message = str(error.get("Error", "")), message_of(str(error.get("Cause", "")))
    text = f"{kind}: {message}"
    if kind == THRESHOLD:
        return "more shards failed than the job tolerates"
    if KILLED.search(text):
        return "a step ran out of memory"
    if TIMED_OUT.search(text):
        return "a step did not end in time"
    if BUSY.search(text):
        return "too many functions run in this account at the moment; retry the job later"
    return (
        ": ".join(part for part in (kind, message) if part) or "a step failed for no reason given"
    )
