"""Wait for a rollout to end."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from serval.models.registry import Rollout

INTERVAL_SECONDS = 0.5
BEGIN_SECONDS = 300.0
"""A rollout that has not begun by then never will."""
SILENCE_SECONDS = 7200.0
"""A running rollout is visited hourly at the latest; one silent for this long is stuck."""
UNATTENDED_SECONDS = 3600.0
"""The default without a terminal, where nobody can interrupt the command."""


def timeout_or_default(timeout_seconds: float | None) -> float | None:
    """Return the timeout: the one given, else none on a terminal and an hour elsewhere."""
    if timeout_seconds is None and not sys.stderr.isatty():
        return UNATTENDED_SECONDS
    return timeout_seconds


@dataclass(frozen=True, slots=True)
class RolloutWait:
    """Polls a rollout until it has ended or time is up."""

    read: Callable[[], Rollout | None]
    report: Callable[[Rollout], None] = lambda _: None
    """Called with every state that differs from the one before."""
    timeout_seconds: float | None = None
    """None: ``BEGIN_SECONDS`` until it begins, then as long as it moves."""
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def end(self) -> Rollout | None:
        """Return the rollout as last seen; None if none began."""
        seen: Rollout | None = None
        begun = moved = self.clock()
        while True:
            rollout = self.read()
            if rollout is not None and rollout != seen:
                seen, moved = rollout, self.clock()
                self.report(rollout)
                if rollout.ended:
                    return rollout
            left = self._deadline(seen, begun, moved) - self.clock()
            if left <= 0:
                return rollout
            self.sleep(min(INTERVAL_SECONDS, left))

    def _deadline(self, seen: Rollout | None, begun: float, moved: float) -> float:
        if self.timeout_seconds is not None:
            return begun + self.timeout_seconds
        return begun + BEGIN_SECONDS if seen is None else moved + SILENCE_SECONDS
