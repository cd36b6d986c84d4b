"""What becomes of a request's row when a worker is done with it, and then of its message.

The order is what makes a crash harmless at any point: a result is written before the row points to
it; a dead letter is sent before the row is closed, for a closed row's message is dropped when it
comes again and nobody would send the letter, whereas a letter sent twice is redriven to a row that
decides; a callback is asked for after the row is closed, and ``sweep`` looks for those that never
were; the message goes last.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from serval.clock import Clock
from serval.errors import InvalidTensor, ServalError
from serval.faults import fault_of
from serval.inference.run import Outputs
from serval.protocol.response import InferenceResponse, write_response
from serval.requests import lifecycle
from serval.requests.inbox import Inbox
from serval.requests.ports import CallbackQueue, Payloads, RequestStore, change
from serval.requests.request import AsyncRequest, response_key
from serval.worker.program.faults import backoff_seconds
from serval.worker.queue.held import Fate, Held

Transition = Callable[[AsyncRequest], AsyncRequest]
LONGEST_HIDDEN_SECONDS = 43_200
"""What SQS allows."""


@dataclass(frozen=True, slots=True)
class Close:
    """Ends attempts; every method gives the fate of the request's message."""

    worker: str
    """Its id, which the rows of what it runs name."""
    store: RequestStore
    payloads: Payloads
    inbox: Inbox
    callbacks: CallbackQueue
    clock: Clock

    def owns(self, one: Held, row: AsyncRequest) -> bool:
        """Tell whether a row still says that this worker makes the attempt it began."""
        return row.status == "running" and row.runner == self.worker and row.attempt == one.attempt

    def answer(self, one: Held, outputs: Outputs) -> Fate:
        """Write the result, then let it stand."""
        row, target = one.known, one.aim
        response = InferenceResponse(row.model, target.version, outputs)
        try:
            body, header_length = write_response(response, one.read)
        except InvalidTensor as error:
            return self.fail(one, error)
        key = response_key(row.id, row.attempt)
        self.payloads.put(key, body)
        return self._close(
            one,
            lambda current: lifecycle.succeed(
                current, target.version, key, len(body), header_length, self.clock()
            ),
        )

    def fail(self, one: Held, error: ServalError) -> Fate:
        """End a failed attempt: try it again, or dead-letter it, or tell its caller."""
        row = one.known
        if not self.owns(one, row):
            return "leave"
        if fault_of(error) == "caller":
            return self._close(
                one, lambda now: lifecycle.fail(now, str(error), self.clock(), refused=True)
            )
        if row.attempts < row.max_attempts:
            again = partial(lifecycle.try_again, reason=str(error), now=self.clock())
            return self._reopen(one, again, backoff_seconds(row.attempts))
        reason = f"failed {row.attempts} times, at last: {error}"
        self.inbox.dead_letter(row.model, row.id, reason)
        return self._close(one, lambda now: lifecycle.fail(now, reason, self.clock()))

    def give_back(self, one: Held, seconds: int) -> Fate:
        """Put it back unfinished, uncharged; or close it, if its caller wants none any more."""
        return self._reopen(one, lambda now: lifecycle.give_back(now, self.clock()), seconds)

    def cancel(self, one: Held) -> Fate:
        """Close it as its caller wished."""
        return self._close(one, lambda now: lifecycle.close_cancelled(now, self.clock()))

    def refuse(self, one: Held, error: ServalError) -> Fate:
        """Tell the caller of a request that has not begun what is wrong with it."""
        after = lifecycle.fail(one.known, str(error), self.clock(), refused=True)
        return self._end_unbegun(one, after)

    def judge(self, one: Held) -> Fate | None:
        """Tell what a message is good for; None: its request is to be run."""
        now = self.clock()
        row = one.row
        if row is None or row.model != one.message.model:
            return "delete"
        match lifecycle.action_for(row, now):
            case "drop":
                return "delete"
            case "later":
                return seconds_leased(row, now)
            case "cancelled":
                return self._end_unbegun(one, lifecycle.close_cancelled(row, now))
            case "exhausted":
                return self._exhaust(one, row)
        return None

    def _exhaust(self, one: Held, row: AsyncRequest) -> Fate:
        before = f"; before that: {row.error}" if row.error else ""
        reason = f"attempted {row.attempts} times, at last its worker was lost{before}"
        self.inbox.dead_letter(row.model, row.id, reason)
        return self._end_unbegun(one, lifecycle.fail(row, reason, self.clock()))

    def _end_unbegun(self, one: Held, after: AsyncRequest) -> Fate:
        """Close a row that this worker does not run; whoever was first has it."""
        if not self.store.save(one.known, after):
            return "leave"
        return self._announce(after)

    def _reopen(self, one: Held, transition: Transition, seconds: int) -> Fate:
        """Queue it again; or close it, if its caller wants no result any more."""
        row = self._change(one, transition)
        if row is None:
            return "leave"
        return seconds if row.open else self._announce(row)

    def _close(self, one: Held, transition: Transition) -> Fate:
        row = self._change(one, transition)
        return "leave" if row is None else self._announce(row)

    def _change(self, one: Held, transition: Transition) -> AsyncRequest | None:
        """Change the row if the attempt is still this worker's; None: it is not."""
        row = change(
            self.store,
            one.known,
            lambda current: transition(current) if self.owns(one, current) else None,
        )
        if row is not None:
            one.row = row
        return row

    def _announce(self, row: AsyncRequest) -> Fate:
        if row.callback_due:
            self.callbacks.send(row.id, row.submitter)
        return "delete"


def seconds_leased(row: AsyncRequest, now: datetime) -> int:
    """Tell for how long another runner is taken to be alive, rounded up."""
    if row.lease_until is None:
        return 0
    left = (datetime.fromisoformat(row.lease_until) - now).total_seconds()
    return min(LONGEST_HIDDEN_SECONDS, max(0, math.ceil(left)))
