"""Patience with receivers: those who are slow delay their own callbacks, and nobody else's.

An environment delivers one callback at a time, and there are few of them. Each keeps in mind

- which receivers did not answer time and again: they are called once in a while until one does.
  A receiver is a host as one API key calls it: somebody else's slow path on a host that many use
  stops nobody's callbacks;
- how long each API key has kept it waiting, however many hosts it names: no more than a fifth of
  the time goes to callbacks of one key that take longer than a second.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

FAILURES = 3
"""Calls in a row without an answer, after which a receiver is left alone."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 60.0, 900.0
"""How long at first, and at most: the pause doubles each time that it still does not answer."""
QUICK_SECONDS = 1.0
"""What a call may take without being counted."""
KEPT_WAITING_SECONDS = 20.0
"""How long a key may keep an environment waiting at once."""
SHARE = 0.2
"""How much of the time a key may keep it waiting for good."""
REMEMBERED = 1024
Receiver = tuple[str, str]
"""API key, by its hash, and host."""


@dataclass(slots=True)
class Silence:
    """How often a receiver was called in vain, and until when it is left alone."""

    failures: int = 0
    until: float = 0.0


@dataclass(slots=True)
class ReceiverPatience:
    """What one environment keeps in mind of its receivers."""

    clock: Callable[[], float] = time.monotonic
    _silent: dict[Receiver, Silence] = field(default_factory=dict)
    _waited: dict[str, tuple[float, float]] = field(default_factory=dict)
    """How long each key has kept it waiting, as of a moment."""

    def objection(self, key: str, host: str) -> str | None:
        """Say why a receiver is not called now; None: it is."""
        now = self.clock()
        silence = self._silent.get((key, host))
        if silence is not None and now < silence.until:
            return f"{host} did not answer {silence.failures} times in a row"
        if self._kept_waiting(key, now) >= KEPT_WAITING_SECONDS:
            return "callbacks of this API key were answered too slowly"
        return None

    def note(self, key: str, host: str, seconds: float, *, answered: bool) -> None:
        """Keep in mind what a call took, and whether there was an answer."""
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
