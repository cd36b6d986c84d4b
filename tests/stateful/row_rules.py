"""Who may change a request's row, and into what: every write is held against it.

It is written down a second time here, by who is writing: the library decides by the row alone.
"""

from collections.abc import Callable

from serval.fleets.endpoints.attempt import RUNNER
from serval.requests.request import AsyncRequest, response_key

CALLER, DISPATCH, SWEEP = "caller", "dispatch", "sweep"
"""Actors that run nothing; a runner is called what rows call it."""
ASKED = (
    "id",
    "model",
    "fleet",
    "created",
    "body_hash",
    "chosen",
    "wanted",
    "payload",
    "payload_key",
    "stream",
)
"""What never changes."""

Rule = Callable[[str, AsyncRequest, AsyncRequest, str], bool]


def offence(actor: str, there: AsyncRequest, after: AsyncRequest, now: str) -> str | None:
    """Say what is wrong with a change of a row; None: nothing is."""
    if any(getattr(there, name) != getattr(after, name) for name in ASKED):
        return f"{actor} changed what was asked: {there} became {after}"
    rules = RULES.get((there.status, after.status), [])
    if any(rule(actor, there, after, now) for rule in rules):
        return None
    return f"{actor} may not do that at {now}: {there} became {after}"


def leased(row: AsyncRequest, now: str) -> bool:
    return row.status == "running" and (row.lease_until or "") > now


def runs(actor: str, row: AsyncRequest) -> bool:
    """Tell whether an actor makes the attempt; functions of the fleet act for its endpoint."""
    runner = row.runner or ""
    return actor == runner or (actor in (DISPATCH, SWEEP) and runner.startswith(RUNNER))


def begins(actor: str, there: AsyncRequest, after: AsyncRequest, now: str) -> bool:
    return (
        actor not in (CALLER, SWEEP)
        and not leased(there, now)
        and not there.cancel_requested
        and there.attempts < there.max_attempts
        and after.attempt == there.attempt + 1
        and (runs(actor, after) or actor == DISPATCH)
    )


def goes_on(actor: str, there: AsyncRequest, after: AsyncRequest, now: str) -> bool:
    same = after.attempt == there.attempt and after.runner == there.runner
    place = after.output_key in (there.output_key, written_by_endpoint(there))
    return same and place and runs(actor, there)


def is_asked_to_stop(actor: str, there: AsyncRequest, after: AsyncRequest, now: str) -> bool:
    same = (after.attempt, after.runner, after.lease_until) == (
        there.attempt, there.runner, there.lease_until,
    )  # fmt: skip
    return actor == CALLER and after.cancel_requested and same


def is_put_back(actor: str, there: AsyncRequest, after: AsyncRequest, now: str) -> bool:
    return runs(actor, there) and after.attempt == there.attempt and not there.cancel_requested


def is_answered(actor: str, there: AsyncRequest, after: AsyncRequest, now: str) -> bool:
    own = response_key(there.id, there.attempt), written_by_endpoint(there)
    return runs(actor, there) and not there.cancel_requested and after.response_key in own


def fails(actor: str, there: AsyncRequest, after: AsyncRequest, now: str) -> bool:
    is_lost = not leased(there, now) and there.attempts >= there.max_attempts
    return not there.cancel_requested and (runs(actor, there) or is_lost)


def is_refused(actor: str, there: AsyncRequest, after: AsyncRequest, now: str) -> bool:
    return actor != CALLER and (after.refused or there.attempts >= there.max_attempts)


def is_cancelled(actor: str, there: AsyncRequest, after: AsyncRequest, now: str) -> bool:
    if there.status == "queued":
        return actor == CALLER
    return there.cancel_requested and (runs(actor, there) or not leased(there, now))


def is_retried(actor: str, there: AsyncRequest, after: AsyncRequest, now: str) -> bool:
    anew = (after.attempts, after.finished, after.cancel_requested) == (0, None, False)
    return actor == CALLER and anew and after.attempt == there.attempt


RULES: dict[tuple[str, str], list[Rule]] = {
    ("queued", "running"): [begins],
    ("running", "running"): [begins, goes_on, is_asked_to_stop],
    ("running", "queued"): [is_put_back],
    ("running", "succeeded"): [is_answered],
    ("running", "failed"): [fails],
    ("queued", "failed"): [is_refused],
    ("queued", "cancelled"): [is_cancelled],
    ("running", "cancelled"): [is_cancelled],
    ("failed", "queued"): [is_retried],
    ("cancelled", "queued"): [is_retried],
}


def written_by_endpoint(row: AsyncRequest) -> str:
    return f"async-out/{row.id}.{row.attempt}.out"
