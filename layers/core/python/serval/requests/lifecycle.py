"""What may become of an async request: pure changes of its row, each saved conditionally.

::

    queued ── begin ──> running ── succeed ──> succeeded
      ^  │                │  │
      │  └── cancel ──┐   │  ├── fail ───────> failed ── retry ──> queued
      │               v   │  │
      ├── give_back ──────┤  └── cancelled at a boundary
      └── try_again ──────┘

The row decides who runs a request and whose result stands: a change is computed from the row as it
was read and saved only if nobody changed it meanwhile.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

from serval.clock import timestamp
from serval.errors import RequestConflict
from serval.requests.request import AsyncRequest

Verdict = Literal["run", "drop", "later", "exhausted", "cancelled"]
"""What a worker does with a message: run its request, delete the message, look again when the
lease of its runner ends, dead-letter the request, or close it as its caller wished."""


def verdict(request: AsyncRequest, now: datetime) -> Verdict:
    """Tell what a message about a request is good for."""
    if not request.open:
        return "drop"
    if leased(request, now):
        return "later"
    if request.cancel_requested:
        return "cancelled"
    return "exhausted" if request.attempts >= request.max_attempts else "run"


def leased(request: AsyncRequest, now: datetime) -> bool:
    """Tell whether a runner that is taken to be alive has the request."""
    return (
        request.status == "running"
        and request.lease_until is not None
        and request.lease_until > timestamp(now)
    )


def begin(request: AsyncRequest, runner: str, now: datetime, lease: timedelta) -> AsyncRequest:
    """Begin an attempt, which counts from here on; after a crash it is to run alone."""
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
    """Say that the runner is alive."""
    return replace(request, updated=timestamp(now), lease_until=timestamp(now + lease))


def give_back(request: AsyncRequest, now: datetime) -> AsyncRequest:
    """Put it back unfinished, uncharged: its machine was reclaimed, or is being stopped.

    What its caller wants no more is closed as cancelled, whoever decided before that was known.
    """
    if request.cancel_requested:
        return cancelled(request, now)
    return replace(_idle(request, now), status="queued", attempts=max(0, request.attempts - 1))


def try_again(request: AsyncRequest, reason: str, now: datetime) -> AsyncRequest:
    """Put it back after an attempt that failed, to run alone; or close it as cancelled."""
    if request.cancel_requested:
        return cancelled(request, now)
    return replace(_idle(request, now), status="queued", error=reason, alone=True)


def succeed(
    request: AsyncRequest,
    version: str,
    key: str,
    size_bytes: int,
    header_length: int | None,
    now: datetime,
) -> AsyncRequest:
    """Let a result stand; or close as cancelled, if its caller wants none any more."""
    if request.cancel_requested:
        return cancelled(request, now)
    return replace(
        _closed(request, now),
        status="succeeded",
        version=version,
        error=None,
        response_key=key,
        response_bytes=size_bytes,
        response_header_length=header_length,
    )


def fail(
    request: AsyncRequest, reason: str, now: datetime, *, refused: bool = False
) -> AsyncRequest:
    """End it with a reason; or close as cancelled, if its caller wants no result any more.

    ``refused``: the reason is what it asks, so that trying again would not help.
    """
    if request.cancel_requested:
        return cancelled(request, now)
    return replace(_closed(request, now), status="failed", error=reason, refused=refused)


def cancelled(request: AsyncRequest, now: datetime) -> AsyncRequest:
    """Close it without a result; what an attempt may still write is never shown."""
    return replace(_closed(request, now), status="cancelled")


def cancel(request: AsyncRequest, now: datetime) -> AsyncRequest:
    """Do what a caller's cancel does: close what is queued, ask the runner of what runs.

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
        return cancelled(replace(request, cancel_requested=True), now)
    return replace(request, cancel_requested=True, updated=timestamp(now))


def retry(request: AsyncRequest, now: datetime) -> AsyncRequest:
    """Queue it again from the start; its attempts count anew.

    Raises
    ------
    RequestConflict
        If it runs, or has succeeded.
    """
    if request.status == "queued":
        return request
    if request.status in ("running", "succeeded"):
        said = "is running" if request.status == "running" else "has succeeded"
        raise RequestConflict(request.name, f"it {said}; only failed or cancelled ones are retried")
    return replace(
        _idle(request, now),
        status="queued",
        attempts=0,
        alone=False,
        cancel_requested=False,
        error=None,
        refused=False,
        finished=None,
        callback_sent=None,
        callback_error=None,
    )


def _idle(request: AsyncRequest, now: datetime) -> AsyncRequest:
    return replace(request, runner=None, lease_until=None, updated=timestamp(now))


def _closed(request: AsyncRequest, now: datetime) -> AsyncRequest:
    return replace(_idle(request, now), finished=timestamp(now))
