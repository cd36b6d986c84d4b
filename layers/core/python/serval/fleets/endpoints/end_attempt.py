"""Ending attempts that endpoints have made: what becomes of the row, and who is told.

The order makes a crash harmless at any point, for notices come again: a dead letter is sent before
its row is closed; a message is sent after its row is queued again; a callback is asked for after
the row is closed. Whatever is said twice is decided by the row.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from serval.clock import Clock, utc_now
from serval.fleets.endpoints.attempt import EndpointAttempt
from serval.requests import lifecycle
from serval.requests.ports import CallbackQueue, RequestQueue, RequestStore, change
from serval.requests.request import AsyncRequest


class DeadLetterQueue(Protocol):
    """Where requests are noted that failed for good."""

    def dead_letter(self, model: str, request_id: str, reason: str) -> None:
        """Send a message to the model's dead-letter queue: the id, and why it failed."""


@dataclass(frozen=True, slots=True)
class Result:
    """An endpoint's answer, as it lies in the data bucket."""

    key: str
    size_bytes: int
    header_length: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndAttempt:
    """Ends attempts; each method gives the row as it is then, None if it is another attempt's."""

    store: RequestStore
    queue: RequestQueue
    dead_letters: DeadLetterQueue
    callbacks: CallbackQueue
    clock: Clock = utc_now

    def succeed(
        self, row: AsyncRequest, inference: EndpointAttempt, version: str, result: Result
    ) -> AsyncRequest | None:
        """Let a result stand; or close as cancelled, if its caller wants none any more."""
        return self._change(
            row,
            inference,
            lambda current: lifecycle.succeed(
                current,
                version,
                result.key,
                result.size_bytes,
                result.header_length,
                self.clock(),
            ),
        )

    def fail(
        self, row: AsyncRequest, inference: EndpointAttempt, reason: str, *, refused: bool
    ) -> AsyncRequest | None:
        """Try a failed attempt again, or dead-letter it, or tell its caller what is wrong."""
        if not inference.runs(row):
            return None
        if not refused and row.attempts < row.max_attempts and not row.cancel_requested:
            return self._change(
                row, inference, lambda current: lifecycle.try_again(current, reason, self.clock())
            )
        if not refused and not row.cancel_requested:
            reason = f"failed {row.attempts} times, at last: {reason}"
            self.dead_letters.dead_letter(row.model, row.id, reason)
        return self._change(
            row,
            inference,
            lambda current: lifecycle.fail(current, reason, self.clock(), refused=refused),
        )

    def follow_up(self, row: AsyncRequest) -> None:
        """Do what follows from a row that has changed; doing it twice changes nothing."""
        if row.status == "queued":
            self.queue.send(row.model, row.id)
        elif row.callback_due:
            self.callbacks.send(row.id, row.submitter)

    def close_unbegun(self, row: AsyncRequest, after: AsyncRequest) -> bool:
        """Close a row that nobody runs; False when somebody else has changed it."""
        if not self.store.save(row, after):
            return False
        self.follow_up(after)
        return True

    def _change(
        self,
        row: AsyncRequest,
        inference: EndpointAttempt,
        transition: Callable[[AsyncRequest], AsyncRequest],
    ) -> AsyncRequest | None:
        after = change(
            self.store,
            row,
            lambda current: transition(current) if inference.runs(current) else None,
        )
        if after is not None:
            self.follow_up(after)
        return after
