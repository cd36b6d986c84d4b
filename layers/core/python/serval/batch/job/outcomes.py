"""Outcomes of a job's steps for the state machine, and failures that it caught, in plain words."""

import re
from collections.abc import Mapping
from typing import Any

from serval.batch.job.job import BatchJob
from serval.batch.job.lifecycle import describe_stop
from serval.step_failures import OUT_OF_MEMORY, THROTTLED, TIMED_OUT, StepFailure

LIMIT_REASON_CHARACTERS = 2_000


def ignored_outcome(reason: str) -> dict[str, Any]:
    """Return the outcome of an event that starts no job."""
    return {"outcome": "ignored", "reason": reason}


def refused_outcome(job: BatchJob, reason: str) -> dict[str, Any]:
    """Return the outcome of a step that cannot go on."""
    return {"outcome": "refused", "job": job.id, "reason": reason[:LIMIT_REASON_CHARACTERS]}


def cancelled_outcome(job: BatchJob) -> dict[str, Any]:
    """Return the outcome of a step whose job has ended or is about to end."""
    if job.stop_reason is not None and not job.cancel_requested:
        return refused_outcome(job, job.stop_reason)
    return {"outcome": "cancelled", "job": job.id, "reason": f"the job {describe_stop(job)}"}


EXITED = re.compile(r"Runtime\.ExitError")
THRESHOLD = "States.ExceedToleratedFailureThreshold"


def describe_failure(error: Mapping[str, Any]) -> str:
    """Describe a failure by the error that Step Functions caught, ``Error`` and ``Cause``."""
    failure = StepFailure.from_json(error)
    if failure.kind == THRESHOLD:
        return "more shards failed than the job tolerates"
    if failure.matches(OUT_OF_MEMORY) or failure.matches(EXITED):
        return "a step ran out of memory"
    if failure.matches(TIMED_OUT):
        return "a step did not end in time"
    if failure.matches(THROTTLED):
        return "too many functions run in this account at the moment; retry the job later"
    return str(failure) or "a step failed for no reason given"
