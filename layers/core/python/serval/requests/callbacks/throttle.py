"""Throttle slow receivers, so that they delay only their own callbacks.

There are few environments, and each delivers one callback at a time. Each remembers

- which receivers fail to answer repeatedly: it calls them only now and then until they answer. A
  receiver is a host as one API key calls it, so a slow path on a shared host stops nobody else's
  callbacks;
- how long each API key has kept it waiting, over all its hosts: callbacks of one key that take
  longer than a second get at most a fifth of the time.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

FAILURES = 3
"""Calls without an answer after which a receiver is paused."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 60.0, 900.0
"""The pause doubles each time that the receiver still does not answer."""
QUICK_SECONDS = 1.0
"""Calls this short are not counted."""
KEPT_WAITING_SECONDS = 20.0
"""How long a key may keep an environment waiting in one stretch."""
SHARE = 0.2
"""The share of time for which a key may keep it waiting in the long run."""
REMEMBERED = 1024
Receiver = tuple[str, str]
"""The hash of an API key, and a host."""


@dataclass(slots=True)
class Silence:
    """How often a receiver did not answer, and until when it is paused."""

    failures: int = 0
    until: float = 0.0


@dataclass(slots=True)
class ReceiverThrottle:
    """What one environment remembers of its receivers."""

    clock: Callable[[], float] = time.monotonic
    _silent: dict[Receiver, Silence] = field(default_factory=dict)
    _waited: dict[str, tuple[float, float]] = field(default_factory=dict)
    """How long each key has kept it waiting, and when that was computed."""

    def find_objection(self, key: str, host: str) -> str | None:
        """Return why a receiver should not be called now, or None."""
        now = self.clock()
        silence = self._silent.get((key, host))
        if silence is not None and now < silence.until:
            return f"{host} did not answer {silence.failures} times in a row"
        if self._kept_waiting(key, now) >= KEPT_WAITING_SECONDS:
            return "callbacks of this API key were answered too slowly"
        return None

    def record(self, key: str, host: str, seconds: float, *, answered: bool) -> None:
        """Record how long a call took and whether it was answered."""
        now = self.clock()
        if seconds > QUICK_SECONDS:
            self._make_room(self._waited)
            self._waited[key] = (self._kept_waiting(key, now) + seconds, now)
        if answered:
            self._silent.pop((key, host), None)
            return
        self._make_room(self._silent)
        silence = self._silent.setdefault((key, host), Silence())
        silence.failures += 1
        if silence.failures >= FAILURES:
            pause = FIRST_PAUSE_SECONDS * 2 ** min(silence.failures - FAILURES, 10)
            silence.until = now + min(pause, LONGEST_PAUSE_SECONDS)

    def _kept_waiting(self, key: str, now: float) -> float:
        seconds, then = self._waited.get(key, (0.0, now))
        return max(0.0, seconds - (now - then) * SHARE)

    def _make_room(self, known: dict[Receiver, Silence] | dict[str, tuple[float, float]]) -> None:
        if len(known) >= REMEMBERED:
            known.clear()
