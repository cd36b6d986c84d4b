"""Pace: how fast one API key may call models on Lambda, in each environment that answers it.

A count of the whole stage would cost a write for each request, more than the request itself. An
environment answers one request at a time, and a refusal takes it a millisecond: a key that floods
the stage keeps few environments, instead of all that the account has.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from serval.access.api_key import ApiKey
from serval.errors import RateLimited

BURST_SECONDS = 10.0
"""How much may come at once: what the rate gives in so long."""
REMEMBERED = 1024
ROUNDING = 1e-6


@dataclass(slots=True)
class RealtimePace:
    """A bucket of tokens for each key; a request takes one."""

    clock: Callable[[], float] = time.monotonic
    _buckets: dict[str, tuple[float, float]] = field(default_factory=dict)
    """How many tokens each had, and when."""

    def take(self, key: ApiKey) -> None:
        """Count one more request, or raise ``RateLimited`` if the key is too fast."""
        now = self.clock()
        a_second = key.realtime_per_minute / 60
        most = max(1.0, a_second * BURST_SECONDS)
        tokens, then = self._buckets.get(key.id, (most, now))
        tokens = min(most, tokens + (now - then) * a_second)
        if tokens < 1 - ROUNDING:
            seconds = math.ceil((1 - tokens - ROUNDING) / a_second)
            raise RateLimited(key.realtime_per_minute, max(1, seconds), "send {} requests")
        if len(self._buckets) >= REMEMBERED:
            self._buckets.clear()
        self._buckets[key.id] = (max(0.0, tokens - 1), now)
