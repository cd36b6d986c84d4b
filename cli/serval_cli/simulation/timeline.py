"""Run events in the order of their times, moving a clock."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
"""Start of every simulation, for rows that hold times."""


@dataclass(slots=True)
class Timeline:
    """Seconds from the beginning, and scheduled events."""

    now: float = 0.0
    _events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _count: int = 0

    def clock(self) -> datetime:
        """Return the current time as rows hold it."""
        return BEGINNING + timedelta(seconds=self.now)

    def at(self, seconds: float, happen: Callable[[], None]) -> None:
        """Schedule an event; events of the same time run in the order of scheduling."""
        self._count += 1
        heapq.heappush(self._events, (seconds, self._count, happen))

    def after(self, seconds: float, happen: Callable[[], None]) -> None:
        """Schedule an event so many seconds from now."""
        self.at(self.now + seconds, happen)

    def advance(self, until: float) -> None:
        """Run every event that is due by then."""
        while self._events and self._events[0][0] <= until:
            self.now, _, happen = heapq.heappop(self._events)
            happen()
        self.now = max(self.now, until)

    def step(self) -> bool:
        """Run the next event; return False if there is none."""
        if not self._events:
            return False
        self.advance(self._events[0][0])
        return True
