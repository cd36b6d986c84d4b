"""Outcomes of a rollout's steps; the state machine hands on 256 KiB at most, all steps together."""

from collections.abc import Sequence
from typing import Any

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
