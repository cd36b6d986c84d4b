"""Ask a server: retries, and what an answer has to be."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from serval.client.failures import (
    CallFailed,
    NoReply,
    NotEnded,
    RefusedCall,
    ServerFailed,
    StillRunning,
    TooManyCalls,
    failure_of,
)
from serval.client.steps import Call, Flow, Pause, Reply

PASSING = frozenset({429, 502, 503, 504})
"""Statuses after which a repeatable call is sent again."""
UNTOUCHED = frozenset({429, 503})
"""Statuses after which any call is: nothing was begun."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a call is sent, and with which pauses."""

    tries: int = 4
    following_tries: int = 9
    """Tries of a look at what goes on by itself: an outage of a minute does not end the following.
    """
    first_seconds: float = 0.5
    """Longest pause after the first try; it doubles with each."""
    longest_seconds: float = 30.0
    """A server that asks for a longer one gets no further try, but the caller the exception."""
    draw: Callable[[], float] = random.random
    """Draws from 0 to 1: so that many clients do not come back at once."""

    @property
    def following(self) -> "RetryPolicy":
        """The policy of looks; one that never tries again does not there either."""
        return self if self.tries == 1 else replace(self, tries=self.following_tries)

    def pause_seconds(self, tried: int, failure: CallFailed) -> float | None:
        """Return the pause before the next try; None: there is none."""
        if tried >= self.tries:
            return None
        asked = failure.retry_after_seconds if isinstance(failure, RefusedCall) else None
        if asked is not None and asked > self.longest_seconds:
            return None
        own: float = min(self.longest_seconds, self.first_seconds * 2 ** (tried - 1))
        return (asked or 0.0) + own * self.draw()


@dataclass
class Asking:
    """What every operation is made with."""

    policy: RetryPolicy

    def send(self, call: Call, *, follows: bool = False) -> Flow[Reply]:
        """Send a call until it is answered.

        Parameters
        ----------
        follows
            Whether it is a look at what goes on by itself, and is tried for longer.

        Raises
        ------
        CallFailed
            If it is answered with an error, or nobody answers.
        """
        policy, tried = self.policy.following if follows else self.policy, 0
        while True:
            tried += 1
            try:
                reply: Reply = yield call
                if reply.ok:
                    return reply
                failure: CallFailed = failure_of(reply)
            except NoReply as lost:
                failure = lost
            pause = policy.pause_seconds(tried, failure)
            if pause is None or not may_repeat(call, failure):
                raise failure
            yield Pause(pause)

    def ask(self, call: Call, *, follows: bool = False) -> Flow[tuple[dict[str, Any], Reply]]:
        """Send a call that is answered with a JSON object; return it, and the reply."""
        reply = yield from self.send(call, follows=follows)
        found = reply.json_object()
        if found is None:
            raise failure_of(reply)
        return found, reply

    def read(self, call: Call) -> Flow[dict[str, Any]]:
        """Send a call that is answered with a JSON object, and return it."""
        found, _ = yield from self.ask(call)
        return found


def pause_within(left: float | None, seconds: float, over: str) -> Flow[float | None]:
    """Pause before the next look, and return the seconds that are left; None: there is no limit.

    Raises
    ------
    NotEnded
        If nothing is left; ``over`` is its message.
    """
    if left is not None:
        if left <= 0:
            raise NotEnded(over)
        seconds = min(seconds, left)
        left -= seconds
    yield Pause(seconds)
    return left


def may_repeat(call: Call, failure: CallFailed) -> bool:
    """Return whether a call may be sent again after it has failed."""
    if isinstance(failure, NoReply):
        return not failure.slow and (call.repeatable or failure.unsent)
    if isinstance(failure, StillRunning) or not isinstance(failure, TooManyCalls | ServerFailed):
        return False
    return failure.status in (PASSING if call.repeatable else UNTOUCHED)
