"""What happens when: events in the order of their times, and the clock that they move."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
"""When every simulation begins, for rows that hold times."""


@dataclass(slots=True)
class Timeline:
    """Seconds from the beginning, and what is to happen."""

    now: float = 0.0
    _events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _count: int = 0

    def clock(self) -> datetime:
        """Give the time as rows hold it."""
        return BEGINNING + timedelta(seconds=self.now)

    def at(self, seconds: float, happen: Callable[[], None]) -> None:
        """Have something happen; what is due at one time happens in the order it was asked for."""
        self._count += 1
        heapq.heappush(self._events, (seconds, self._count, happen))

    def after(self, seconds: float, happen: Callable[[], None]) -> None:
        """Have something happen so many seconds from now."""
        self.at(self.now + seconds, happen)

    def advance(self, until: float) -> None:
        """Let everything happen that is due by then."""
        while self._events and self._events[0][0] <= until:
            self.now, _, happen = heapq.heappop(self._events)
            happen()
        self.now = max(self.now, until)

    def step(self) -> bool:
        """Let the next thing happen; False if there is none."""
        if not self._events:
            return False
        self.advance(self._events[0][0])
        return True
