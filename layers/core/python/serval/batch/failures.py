"""Failures of a job's steps, as Step Functions catches them, in a data scientist's words."""

import re
from collections.abc import Mapping
from typing import Any

from serval.rollouts.steps.outcomes import message_of

TIMED_OUT = re.compile(r"timed out|timeout", re.IGNORECASE)
KILLED = re.compile(r"signal: killed|OutOfMemory|MemoryError|\bbad_alloc\b|Runtime\.ExitError")
BUSY = re.compile(r"TooManyRequests|Rate Exceeded|Throttl", re.IGNORECASE)
THRESHOLD = "States.ExceedToleratedFailureThreshold"


def failure_in_words(error: Mapping[str, Any]) -> str:
    """Say what went wrong, from the error that was caught.

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
