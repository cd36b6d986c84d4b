"""Close: what becomes of a request's row when a worker is done with it, and of its message.

A result is written before the row points to it, and the message goes last, so a crash at any point
is harmless; ``serval.requests.end_attempt`` explains the rest of the order.
"""

import math
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from serval.clock import Clock
from serval.errors import InvalidTensor, ServalError
from serval.faults import fault_of
from serval.inference.run import Outputs
from serval.protocol.response import InferenceResponse, write_response
from serval.requests import lifecycle
from serval.requests.end_attempt import EndAttempt, IsCurrent, Result
from serval.requests.ports import Payloads
from serval.requests.refusals import kind_of
from serval.requests.request import AsyncRequest, response_key
from serval.worker.program.faults import backoff_seconds
from serval.worker.queue.held import Fate, Held

LONGEST_HIDDEN_SECONDS = 43_200
"""The longest that SQS hides a message."""


@dataclass(frozen=True, slots=True)
class Close:
    """Ends the attempts of one worker; every method returns the fate of the request's message."""

    worker: str
    """Its id, which the rows of what it runs name."""
    end_attempt: EndAttempt
    payloads: Payloads
    clock: Clock

    def owns(self, one: Held, row: AsyncRequest) -> bool:
        """Return whether a row still says that this worker makes the attempt it began."""
        return row.status == "running" and row.runner == self.worker and row.attempt == one.attempt

    def succeed(self, one: Held, outputs: Outputs, step_versions: str | None = None) -> Fate:
        """Write the result, then let it stand."""
        row, target = one.known, one.aim
        response = InferenceResponse(row.model, target.version, outputs)
        try:
            body, header_length = write_response(response, one.read)
        except InvalidTensor as error:
            return self.fail(one, error)
        key = response_key(row.id, row.attempt)
        self.payloads.put(key, body)
        result = Result(key, len(body), header_length, step_versions)
        after = self.end_attempt.succeed(row, self._is_current(one), target.version, result)
        return self._fate(one, after)

    def fail(self, one: Held, error: ServalError) -> Fate:
        """End a failed attempt; one that is tried again waits a while."""
        row, refused = one.known, fault_of(error) == "caller"
        kind = kind_of(error) if refused else None
        after = self.end_attempt.fail(
            row, self._is_current(one), str(error), refused=refused, kind=kind
        )
        return self._fate(one, after, backoff_seconds(row.attempts))

    def give_back(self, one: Held, seconds: int) -> Fate:
        """Queue an unfinished attempt again, uncharged, for so many seconds from now."""
        after = self.end_attempt.give_back(one.known, self._is_current(one))
        return self._fate(one, after, seconds)

    def hand_over(self, one: Held) -> Fate:
        """Leave an attempt to its state machine."""
        self.end_attempt.hand_over(one.known, self._is_current(one))
        return "delete"

    def cancel(self, one: Held) -> Fate:
        """Close an attempt as its caller wished."""
        return self._fate(one, self.end_attempt.cancel(one.known, self._is_current(one)))

    def fail_unbegun(self, one: Held, error: ServalError) -> Fate:
        """Close a request that has not begun with why no attempt could answer it."""
        if fault_of(error) == "caller":
            closed = self.end_attempt.refuse(one.known, str(error), kind_of(error))
        else:
            closed = self.end_attempt.fail_unbegun(one.known, str(error))
        return "delete" if closed else "leave"

    def judge(self, one: Held) -> Fate | None:
        """Return the fate of a message whose request is not to be run; None if it is."""
        now = self.clock()
        row = one.row
        if row is None or row.model != one.message.model:
            return "delete"
        match lifecycle.action_for(row, now):
            case "drop":
                self.end_attempt.follow_up(row)  # who ended it may have died before telling
                return "delete"
            case "later":
                return seconds_leased(row, now)
            case "cancelled":
                return "delete" if self.end_attempt.cancel_unbegun(row) else "leave"
            case "exhausted":
                return "delete" if self.end_attempt.exhaust(row) else "leave"
        return None

    def _is_current(self, one: Held) -> IsCurrent:
        return partial(self.owns, one)

    def _fate(self, one: Held, after: AsyncRequest | None, seconds: int = 0) -> Fate:
        """Delete the message of a closed request; hide that of a queued one for some seconds."""
        if after is None:
            return "leave"
        one.row = after
        return seconds if after.open else "delete"


def seconds_leased(row: AsyncRequest, now: datetime) -> int:
    """Return for how long another runner is taken to be alive, rounded up."""
    if row.lease_until is None:
        return 0
    left = (datetime.fromisoformat(row.lease_until) - now).total_seconds()
    return min(LONGEST_HIDDEN_SECONDS, max(0, math.ceil(left)))
