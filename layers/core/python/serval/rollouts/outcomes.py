"""Outcomes of a rollout's steps; the state machine passes on at most 256 KiB for all of them."""

from collections.abc import Sequence
from typing import Any

LIMIT_REASONS = 10
LIMIT_REASON_CHARACTERS = 600


def ignore_event(reason: str) -> dict[str, Any]:
    """Return the outcome of an event that starts no rollout."""
    return {"outcome": "ignored", "reasons": [reason]}


def refuse_upload(reasons: Sequence[str]) -> dict[str, Any]:
    """Return the outcome of a step that refuses an upload, with its first reasons."""
    return {"outcome": "refused", "reasons": first_reasons(reasons)}


def first_reasons(reasons: Sequence[str]) -> list[str]:
    """Shorten the first ten reasons, and count the others."""
    kept = [shorten_reason(reason) for reason in reasons[:LIMIT_REASONS]]
    more = len(reasons) - LIMIT_REASONS
    return kept if more <= 0 else [*kept, f"and {more} more like these"]


def shorten_reason(reason: str) -> str:
    """Put a reason on one line of readable length."""
    line = " ".join(reason.split())
    if len(line) <= LIMIT_REASON_CHARACTERS:
        return line
    return line[: LIMIT_REASON_CHARACTERS - 1] + "…"
