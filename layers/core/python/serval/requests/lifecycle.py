"""The lifecycle of an async request: pure changes of its row, each saved conditionally.

::

    queued ── begin ──> running ── succeed ──> succeeded
      ^  │                │  │
      │  └── cancel ──┐   │  ├── fail ───────> failed ── retry ──> queued
      │               v   │  │
      ├── give_back ──────┤  └── cancelled at a boundary
      └── try_again ──────┘

The row decides who runs a request and whose result stands: a change is computed from the row as it
was read, and saved only if nobody has changed it since.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

from serval.clock import timestamp
from serval.errors import RequestConflict
from serval.requests.request import AsyncRequest

MessageAction = Literal["run", "drop", "later", "exhausted", "cancelled"]
"""What a worker does with a message: run the request, delete the message, try again when the
runner's lease ends, dead-letter the request, or close it as cancelled."""

HANDED_OVER = timedelta(hours=2)
"""The lease of a state machine: it calls at least every hour, and is throttled for one at most."""


def action_for(request: AsyncRequest, now: datetime) -> MessageAction:
    """Decide what to do with a message about a request."""
    if not request.open:
        return "drop"
    if is_leased(request, now):
        return "later"
    if request.cancel_requested:
        return "cancelled"
    return "exhausted" if request.attempts >= request.max_attempts else "run"


def is_leased(request: AsyncRequest, now: datetime) -> bool:
    """Check whether a runner that is presumed alive has the request."""
    return (
        request.status == "running"
        and request.lease_until is not None
        and request.lease_until > timestamp(now)
    )


def begin(request: AsyncRequest, runner: str, now: datetime, lease: timedelta) -> AsyncRequest:
    """Begin an attempt, which counts from now on; after a crash the request runs alone."""
    return replace(
        request,
        status="running",
        runner=runner,
        attempt=request.attempt + 1,
        attempts=request.attempts + 1,
        alone=request.alone or request.status == "running",
        started=timestamp(now),
        updated=timestamp(now),
        lease_until=timestamp(now + lease),
    )


def extend(request: AsyncRequest, now: datetime, lease: timedelta) -> AsyncRequest:
    """Extend the lease of a runner that is alive."""
    return replace(request, updated=timestamp(now), lease_until=timestamp(now + lease))


def hand_over(request: AsyncRequest, runner: str, now: datetime) -> AsyncRequest:
    """Leave an attempt to a state machine, which may be long in coming to it, or in waiting."""
    return replace(extend(request, now, HANDED_OVER), durable=True, runner=runner)


def give_back(request: AsyncRequest, now: datetime) -> AsyncRequest:
    """Queue it again without charging the attempt: its machine was reclaimed or is being stopped.

    Like every end of an attempt, this closes a request as cancelled if its caller asked for that.
    """
    if request.cancel_requested:
        return close_cancelled(request, now)
    return replace(_release(request, now), status="queued", attempts=max(0, request.attempts - 1))


def try_again(request: AsyncRequest, reason: str, now: datetime) -> AsyncRequest:
    """Queue it again after a failed attempt, to run alone."""
    if request.cancel_requested:
        return close_cancelled(request, now)
    return replace(_release(request, now), status="queued", error=reason, alone=True)


def succeed(
    request: AsyncRequest,
    version: str,
    key: str,
    size_bytes: int,
    header_length: int | None,
    now: datetime,
    step_versions: str | None = None,
) -> AsyncRequest:
    """Close it with a result."""
    if request.cancel_requested:
        return close_cancelled(request, now)
    return replace(
        _close(request, now),
        status="succeeded",
        version=version,
        error=None,
        response_key=key,
        response_bytes=size_bytes,
        response_header_length=header_length,
        step_versions=step_versions,
    )


def fail(
    request: AsyncRequest,
    reason: str,
    now: datetime,
    *,
    refused: bool = False,
    kind: str | None = None,
) -> AsyncRequest:
    """Close it with a reason.

    ``refused``: the request itself is at fault, so another attempt would not help. ``kind``: the
    class of error, where that is known.
    """
    if request.cancel_requested:
        return close_cancelled(request, now)
    closed = _close(request, now)
    return replace(closed, status="failed", error=reason, refused=refused, error_kind=kind)


def close_cancelled(request: AsyncRequest, now: datetime) -> AsyncRequest:
    """Close it without a result; nobody will see what an attempt may still write."""
    return replace(_close(request, now), status="cancelled")


def cancel(request: AsyncRequest, now: datetime) -> AsyncRequest:
    """Close it if it is queued; ask its runner to stop if it runs.

    Raises
    ------
    RequestConflict
        If it has finished with a result or an error.
    """
    if request.status == "cancelled":
        return request
    if not request.open:
        raise RequestConflict(
            request.name, f"it has {request.status}, so there is nothing to cancel"
        )
    if request.status == "queued":
        return close_cancelled(replace(request, cancel_requested=True), now)
    return replace(request, cancel_requested=True, updated=timestamp(now))


def retry(request: AsyncRequest, now: datetime) -> AsyncRequest:
    """Queue it again from the start, with all its attempts.

    Raises
    ------
    RequestConflict
        If it runs, or has succeeded.
    """
    if request.status == "queued":
        return request
    if request.status in ("running", "succeeded"):
        state = "is running" if request.status == "running" else "has succeeded"
        raise RequestConflict(
            request.name, f"it {state}; only failed or cancelled ones are retried"
        )
    return replace(
        _release(request, now),
        status="queued",
        attempts=0,
        alone=False,
        cancel_requested=False,
        error=None,
        refused=False,
        error_kind=None,
        finished=None,
        callback_sent=None,
        callback_error=None,
    )


def _release(request: AsyncRequest, now: datetime) -> AsyncRequest:
    return replace(request, runner=None, lease_until=None, updated=timestamp(now))


def _close(request: AsyncRequest, now: datetime) -> AsyncRequest:
    return replace(_release(request, now), finished=timestamp(now))
