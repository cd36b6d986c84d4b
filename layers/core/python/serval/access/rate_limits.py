"""Rate limits of API keys; the gateway's callers have the gateway's own.

Calls to models on Lambda are counted in each environment. A count for the whole stage would cost a
write for each request, more than the request itself. An environment answers one request at a time
and refuses one in a millisecond, so a key that floods the stage occupies few environments, not all
that the account has.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from serval.access.caller import Caller
from serval.errors import RateLimited

BURST_SECONDS = 10.0
"""A burst may use up what the rate allows in this time."""
CACHED_KEYS = 1024
ROUNDING = 1e-6


@dataclass(slots=True)
class RealtimeLimit:
    """A token bucket for each key, in memory; a request takes one token."""

    clock: Callable[[], float] = time.monotonic
    _buckets: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Tokens by key id, and when they were counted."""

    def take(self, caller: Caller) -> None:
        """Count one more request, or raise ``RateLimited``."""
        key = caller.key
        if key is None:
            return
        now = self.clock()
        per_second = key.realtime_per_minute / 60
        most = max(1.0, per_second * BURST_SECONDS)
        tokens, then = self._buckets.get(key.id, (most, now))
        tokens = min(most, tokens + (now - then) * per_second)
        if tokens < 1 - ROUNDING:
            seconds = math.ceil((1 - tokens - ROUNDING) / per_second)
            raise RateLimited(key.realtime_per_minute, max(1, seconds), "send {} requests")
        if len(self._buckets) >= CACHED_KEYS:
            self._buckets.clear()
        self._buckets[key.id] = (max(0.0, tokens - 1), now)


class RateCounter(Protocol):
    """Counts what each API key has asked for in the current minute, for the whole stage."""

    def take(self, key_hash: str, limit: int) -> None:
        """Count one more, or raise ``RateLimited`` if the minute's limit is used up."""


@dataclass(frozen=True, slots=True)
class SubmitLimit:
    """Limits the async requests that an API key may submit in a minute."""

    counter: RateCounter

    def take(self, caller: Caller) -> None:
        """Count one more submission, or raise ``RateLimited``."""
        if caller.key is not None and caller.key_hash is not None:
            self.counter.take(caller.key_hash, caller.key.rate_per_minute)
