"""Failures of a rollout's steps, as Step Functions catches them, in a data scientist's words.

Outcomes of a rollout's steps; the state machine hands on 256 KiB at most, all steps together.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from serval.step_failures import OUT_OF_MEMORY, THROTTLED, TIMED_OUT, StepFailure

DOING = {
    "claimed": "gathering the upload",
    "verifying": "verifying the upload",
    "optimising": "optimising the graph",
    "checking golden": "running the golden check",
    "registering": "registering the version",
    "canary": "measuring the canary",
}
"""What a rollout that fails at a step was doing."""
ALLOWED = re.compile(r"timed out after (\d+)(?:\.\d+)? seconds")
SIGNAL = re.compile(r"signal: ([a-z ]+)")
GONE = re.compile(r"Runtime exited|Runtime\.ExitError|Worker process died|Worker returned no")


def failure_in_words(step: str, error: Mapping[str, Any]) -> str:
    """Describe what went wrong at a step, by ``Error`` and ``Cause`` as they were caught."""
    return f"{DOING.get(step, step)} failed: {describe_failure(StepFailure.from_json(error))}"


def describe_failure(failure: StepFailure) -> str:
    """Describe a failure by its kind, or by the message of its exception."""
    if failure.matches(OUT_OF_MEMORY):
        return "out of memory: the model needs more than this step has; try a smaller one"
    if failure.matches(TIMED_OUT):
        allowed = failure.matches(ALLOWED)
        limit = f" within {allowed[1]} seconds" if allowed else " in time"
        return f"it did not end{limit}: the model hangs, or is too large or too slow for this step"
    if signal := failure.matches(SIGNAL):
        return f"it crashed ({signal[1].strip()}): the runtime does not survive this model"
    if failure.matches(GONE):
        return "it crashed or ran out of memory: the runtime does not survive this model"
    if failure.matches(THROTTLED):
        return "too many functions run in this account at the moment; push again later"
    return str(failure) or "for no reason given"


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
