"""Failures of a rollout's steps, as Step Functions catches them, in a data scientist's words.

Outcomes of a rollout's steps; the state machine hands on 256 KiB at most, all steps together.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from serval.step_failures import message_of

DOING = {
    "claimed": "gathering the upload",
    "verifying": "verifying the upload",
    "optimising": "optimising the graph",
    "checking golden": "running the golden check",
    "registering": "registering the version",
    "canary": "measuring the canary",
}
"""What a rollout that fails at a step was doing."""
TIMED_OUT = re.compile(r"timed out|timeout", re.IGNORECASE)
ALLOWED = re.compile(r"timed out after (\d+)(?:\.\d+)? seconds")
KILLED = re.compile(r"signal: killed|OutOfMemory|MemoryError|\bbad_alloc\b|no memory left")
SIGNAL = re.compile(r"signal: ([a-z ]+)")
GONE = re.compile(r"Runtime exited|Runtime\.ExitError|Worker process died|Worker returned no")
BUSY = re.compile(r"TooManyRequests|Rate Exceeded|Throttl", re.IGNORECASE)


def failure_in_words(step: str, error: Mapping[str, Any]) -> str:
    """Say what went wrong at a step, from the error that was caught there.

    Parameters
    ----------
    error
        ``Error`` and ``Cause``; the cause of a function's error is JSON with ``errorMessage``.
    """
    kind, message = str(error.get("Error", "")), message_of(str(error.get("Cause", "")))
    return f"{DOING.get(step, step)} failed: {what(f'{kind}: {message}', kind, message)}"


def what(text: str, kind: str, message: str) -> str:
    """Tell the kinds of failure apart; an exception speaks for itself."""
    if KILLED.search(text):
        return "out of memory: the model needs more than this step has; try a smaller one"
    if TIMED_OUT.search(text):
        allowed = ALLOWED.search(text)
        limit = f" within {allowed[1]} seconds" if allowed else " in time"
        return f"it did not end{limit}: the model hangs, or is too large or too slow for this step"
    if signal := SIGNAL.search(text):
        return f"it crashed ({signal[1].strip()}): the runtime does not survive this model"
    if GONE.search(text):
        return "it crashed or ran out of memory: the runtime does not survive this model"
    if BUSY.search(text):
        return "too many functions run in this account at the moment; push again later"
    return ": ".join(part for part in (kind, message) if part) or "for no reason given"


LIMIT_REASONS = 10
LIMIT_REASON_CHARACTERS = 600


def ignored(reason: str) -> dict[str, Any]:
    """Give the outcome of an event that begins no rollout."""
    return {"outcome": "ignored", "reasons": [reason]}


def refused(reasons: Sequence[str]) -> dict[str, Any]:
    """Give the outcome of a step that refuses: the first ten reasons, each of a length to read."""
    kept = [shortened(reason) for reason in reasons[:LIMIT_REASONS]]
    more = len(reasons) - LIMIT_REASONS
    return {
        "outcome": "refused",
        "reasons": kept if more <= 0 else [*kept, f"and {more} more like these"],
    }


def shortened(reason: str) -> str:
    """Cut a reason where nobody reads on."""
    if len(reason) <= LIMIT_REASON_CHARACTERS:
        return reason
    return reason[: LIMIT_REASON_CHARACTERS - 1] + "…"
