"""Wait for a rollout to end."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from serval.models.registry import Rollout

INTERVAL_SECONDS = 0.5
BEGIN_SECONDS = 300.0
"""A rollout that has not begun by then does not begin."""
SILENCE_SECONDS = 7200.0
"""A rollout is looked at hourly at the latest; one that says nothing for so long is stuck."""
UNATTENDED_SECONDS = 3600.0
"""Nobody can interrupt a command without a terminal: it waits no longer unless it is told to."""


def patience(timeout_seconds: float | None) -> float | None:
    """Give how long to wait: as asked, else as long as the rollout moves if somebody watches."""
    if timeout_seconds is None and not sys.stderr.isatty():
        return UNATTENDED_SECONDS
    return timeout_seconds


@dataclass(frozen=True, slots=True)
class RolloutWait:
    """Reads a rollout again and again until it has ended, or time is up."""

    read: Callable[[], Rollout | None]
    tell: Callable[[Rollout], None] = lambda _: None
    """Hears every state that differs from the one before."""
    timeout_seconds: float | None = None
    """None: ``BEGIN_SECONDS`` until it begins, then as long as it moves."""
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def end(self) -> Rollout | None:
        """Give the rollout when it is over, or as it stands when time is up; None: none began."""
        seen: Rollout | None = None
        begun = moved = self.clock()
        while True:
            rollout = self.read()
            if rollout is not None and rollout != seen:
                seen, moved = rollout, self.clock()
                self.tell(rollout)
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
