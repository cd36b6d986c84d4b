"""Wait for a rollout to end."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from serval.registry import Rollout

INTERVAL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class RolloutWait:
    """Reads a rollout again and again until it has ended, or time is up."""

    read: Callable[[], Rollout | None]
    timeout_seconds: float
    tell: Callable[[str], None] = lambda _: None
    """Hears how things stand."""
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def end(self) -> Rollout | None:
        """Give the rollout when it is over, or as it stands when time is up; None: none began."""
        deadline = self.clock() + self.timeout_seconds
        while True:
            rollout = self.read()
            if rollout is not None and rollout.status != "running":
                return rollout
            left = deadline - self.clock()
            if left <= 0:
                return rollout
            stands = "waiting for the rollout to begin" if rollout is None else "rollout is running"
            self.tell(f"{stands} ({left:.0f} s left)")
            self.sleep(min(INTERVAL_SECONDS, left))
