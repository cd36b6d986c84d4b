"""End a durable pipeline's request: close its row, tell who waits, cancel what it waits for."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from serval.clock import Clock, utc_now
from serval.errors import ServalError
from serval.faults import fault_of
from serval.models.metrics import InferenceMetrics
from serval.models.route import PINNED, Counted, Route, Track
from serval.requests import lifecycle
from serval.requests.cancel import Cancel
from serval.requests.end_attempt import Result
from serval.requests.ports import CallbackQueue, RequestStore, change
from serval.requests.request import AsyncRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class EndPipeline:
    """Ends attempts of durable pipelines; an attempt that has ended stays as it is."""

    store: RequestStore
    callbacks: CallbackQueue
    steps: Cancel
    """Cancels what steps wait for."""
    route: Callable[[str], Route]
    metrics: InferenceMetrics
    clock: Clock = utc_now

    def succeed(self, row: AsyncRequest, result: Result, *, was_kept: bool = False) -> None:
        """Close a request with its result, parts of which may be kept answers."""

        def with_result(now: AsyncRequest) -> AsyncRequest:
            version, length = now.version or "", result.header_length
            return lifecycle.succeed(
                now,
                version,
                result.key,
                result.size_bytes,
                length,
                self.clock(),
                result.step_versions,
            )

        after = self._close(row, with_result)
        if after is not None and after.status == "succeeded":
            track = "cached" if was_kept else self._track(row)
            self.metrics.count_answer(row.model, track, taken_ms(after))

    def fail(self, row: AsyncRequest, error: ServalError) -> None:
        """Close a request with the error that a step, or the output, met."""
        refused = fault_of(error) == "caller"
        kind = type(error).__name__ if refused else None
        after = self._close(
            row,
            lambda now: lifecycle.fail(now, str(error), self.clock(), refused=refused, kind=kind),
        )
        if after is not None and fault_of(error) == "version":
            self.metrics.count_failure(row.model, self._track(row))

    def cancel(self, row: AsyncRequest) -> None:
        """Close a request as its caller wished."""
        self._close(row, lambda now: lifecycle.close_cancelled(now, self.clock()))

    def _close(
        self, row: AsyncRequest, transition: Callable[[AsyncRequest], AsyncRequest]
    ) -> AsyncRequest | None:
        def close(now: AsyncRequest) -> AsyncRequest | None:
            return transition(now) if same_attempt(now, row) else None

        after = change(self.store, row, close)
        if after is not None:
            if after.callback_due:
                self.callbacks.send(after.id, after.submitter)
            self.steps.cancel_steps(row.id)
        return after

    def _track(self, row: AsyncRequest) -> Counted:
        """Return the track that a request counts for."""
        candidate = row.version == self.route(row.model).candidate
        track: Track = "candidate" if candidate else "stable"
        return track if row.wanted is None else PINNED[track]


def same_attempt(now: AsyncRequest, row: AsyncRequest) -> bool:
    """Return whether a row still says that an attempt is under way."""
    return now.status == "running" and now.attempt == row.attempt


def taken_ms(row: AsyncRequest) -> float:
    """Return how long the last attempt took."""
    begun, ended = (datetime.fromisoformat(at or row.created) for at in (row.started, row.finished))
    return (ended - begun).total_seconds() * 1e3
