"""Ending attempts, whoever made them: what the row becomes, and who is told.

The order makes a crash harmless at any point. A dead letter is sent before its row is closed: a
closed row's message is dropped when it comes again, so nobody would send the letter then, while a
letter that was sent twice is redriven to a row that decides. A message is sent after its row is
queued again, and a callback is asked for after the row is closed; one that was never sent is sent
when the request's message comes again, or by ``sweep``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from serval.clock import Clock, utc_now
from serval.requests import lifecycle
from serval.requests.ports import CallbackQueue, RequestQueue, RequestStore, change
from serval.requests.request import AsyncRequest

IsCurrent = Callable[[AsyncRequest], bool]
"""Whether a row still says that the attempt in question is under way."""


class DeadLetterQueue(Protocol):
    """Where requests that failed for good are noted."""

    def dead_letter(self, model: str, request_id: str, reason: str) -> None:
        """Send a message to the model's dead-letter queue: the id, and why it failed."""


@dataclass(frozen=True, slots=True)
class Result:
    """A result, as it lies in the data bucket."""

    key: str
    size_bytes: int
    header_length: int | None
    step_versions: str | None = None
    """Of a pipeline, as its row has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndAttempt:
    """Ends attempts.

    Methods that end an attempt return the row as it is then, or None if it names another attempt.
    Those that close a request which nobody runs return False if another writer was first.
    """

    store: RequestStore
    dead_letters: DeadLetterQueue
    callbacks: CallbackQueue
    queue: RequestQueue | None = None
    """Gets a message about each request that is queued again; None: its message is still held."""
    clock: Clock = utc_now

    def succeed(
        self, row: AsyncRequest, is_current: IsCurrent, version: str, result: Result
    ) -> AsyncRequest | None:
        """Let a result stand, or close as cancelled if the caller no longer wants it."""
        return self._change(
            row,
            is_current,
            lambda now: lifecycle.succeed(
                now,
                version,
                result.key,
                result.size_bytes,
                result.header_length,
                self.clock(),
                result.step_versions,
            ),
        )

    def fail(
        self,
        row: AsyncRequest,
        is_current: IsCurrent,
        reason: str,
        *,
        refused: bool = False,
        kind: str | None = None,
    ) -> AsyncRequest | None:
        """Queue a failed attempt again, dead-letter its request, or close it.

        ``refused``: the reason is what the caller asks, so that no attempt could succeed; ``kind``
        is the class of error then.
        """
        if not is_current(row):
            return None
        if not refused and not row.cancel_requested:
            if row.attempts < row.max_attempts:
                return self._change(
                    row, is_current, lambda now: lifecycle.try_again(now, reason, self.clock())
                )
            reason = f"failed {row.attempts} times, at last: {reason}"
            self.dead_letters.dead_letter(row.model, row.id, reason)
        return self._change(
            row,
            is_current,
            lambda now: lifecycle.fail(now, reason, self.clock(), refused=refused, kind=kind),
        )

    def give_back(self, row: AsyncRequest, is_current: IsCurrent) -> AsyncRequest | None:
        """Queue an unfinished attempt again without charging it, or close it as cancelled."""
        return self._change(row, is_current, lambda now: lifecycle.give_back(now, self.clock()))

    def hand_over(self, row: AsyncRequest, is_current: IsCurrent) -> None:
        """Leave an attempt to its state machine, unless that has it already."""
        change(
            self.store,
            row,
            lambda now: lifecycle.hand_over(now, "", self.clock()) if is_current(now) else None,
        )

    def cancel(self, row: AsyncRequest, is_current: IsCurrent) -> AsyncRequest | None:
        """Close an attempt as its caller wished."""
        return self._change(
            row, is_current, lambda now: lifecycle.close_cancelled(now, self.clock())
        )

    def cancel_unbegun(self, row: AsyncRequest) -> bool:
        """Close a request that nobody runs, as its caller wished."""
        return self._close_unbegun(row, lifecycle.close_cancelled(row, self.clock()))

    def refuse(self, row: AsyncRequest, reason: str, kind: str | None = None) -> bool:
        """Close a request that nobody runs for what it asks, which is a class of error."""
        after = lifecycle.fail(row, reason, self.clock(), refused=True, kind=kind)
        return self._close_unbegun(row, after)

    def exhaust(self, row: AsyncRequest) -> bool:
        """Dead-letter and close a request whose last attempt was lost with its runner."""
        before = f"; before that: {row.error}" if row.error else ""
        lost = f"attempted {row.attempts} times, and its last attempt was lost{before}"
        return self.fail_unbegun(row, lost)

    def fail_unbegun(self, row: AsyncRequest, reason: str) -> bool:
        """Dead-letter and close a request that nobody runs, and no attempt could answer."""
        self.dead_letters.dead_letter(row.model, row.id, reason)
        return self._close_unbegun(row, lifecycle.fail(row, reason, self.clock()))

    def follow_up(self, row: AsyncRequest) -> None:
        """Send what follows from a row as it is; sending it twice does no harm."""
        if row.status == "queued" and self.queue is not None:
            self.queue.send(row.model, row.id)
        elif row.callback_due:
            self.callbacks.send(row.id, row.submitter)

    def _close_unbegun(self, row: AsyncRequest, after: AsyncRequest) -> bool:
        if not self.store.save(row, after):
            return False
        self.follow_up(after)
        return True

    def _change(
        self,
        row: AsyncRequest,
        is_current: IsCurrent,
        transition: Callable[[AsyncRequest], AsyncRequest],
    ) -> AsyncRequest | None:
        after = change(self.store, row, lambda now: transition(now) if is_current(now) else None)
        if after is not None:
            self.follow_up(after)
        return after
