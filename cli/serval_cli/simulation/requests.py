"""Simulated requests: arrivals, queue, running ones and latencies."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from serval.clock import timestamp
from serval.requests.request import OpenListing, OpenRequest
from serval_cli.simulation.timeline import BEGINNING

FAR_AWAY = "9999"


Span = tuple[float, float]
"""Start and end in seconds."""


@dataclass(slots=True)
class Requests:
    """``OpenRequests`` of one model, and the record of every request."""

    model: str
    fleet: str
    target_age_seconds: float
    came: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    late: list[Span] = field(default_factory=list)
    """Spans in which a waiting request was older than the target."""
    given_back: int = 0
    waiting: deque[int] = field(default_factory=deque)
    running: set[int] = field(default_factory=set)
    _queued: dict[int, float] = field(default_factory=dict)
    """Request number → when a machine returned it to the queue."""

    def submit(self, now: float) -> None:
        """Add a request to the queue."""
        self.waiting.append(len(self.came))
        self.came.append(now)

    def begin(self, most: int, now: float) -> list[int]:
        """Take the oldest requests from the queue for one run."""
        taken = [self.waiting.popleft() for _ in range(min(most, len(self.waiting)))]
        for number in taken:
            self._note_if_late(number, now)
        self.running.update(taken)
        return taken

    def finish(self, numbers: Sequence[int], now: float) -> None:
        """Record the results of requests."""
        self.running.difference_update(numbers)
        self.latencies.extend(now - self.came[number] for number in numbers)

    def give_back(self, numbers: Sequence[int], now: float) -> None:
        """Return unfinished requests to the front of the queue."""
        self.running.difference_update(numbers)
        self.waiting.extendleft(reversed(numbers))
        self._queued.update(dict.fromkeys(numbers, now))
        self.given_back += len(numbers)

    def open(self) -> Iterator[OpenRequest]:
        """List the requests without a result."""
        for number in self.waiting:
            yield self._open(number, None)
        for number in self.running:
            yield self._open(number, FAR_AWAY)

    def list_open(self) -> OpenListing:
        """List the same as a look that has found no end."""
        return OpenListing(list(self.open()))

    def count_unlisted(self, listing: OpenListing, models: Sequence[str]) -> int:
        """Count what a listing has not listed: nothing."""
        return 0

    def oldest_age(self, now: float) -> float:
        """Return the age of the oldest waiting request."""
        return now - self.came[self.waiting[0]] if self.waiting else 0.0

    def _open(self, number: int, lease_until: str | None) -> OpenRequest:
        created = timestamp(BEGINNING + timedelta(seconds=self.came[number]))
        return OpenRequest(
            id=str(number),
            model=self.model,
            fleet=self.fleet,
            status="running" if lease_until else "queued",
            created=created,
            updated=created,
            lease_until=lease_until,
        )

    def _note_if_late(self, number: int, now: float) -> None:
        since = self.came[number] + self.target_age_seconds
        if number in self._queued:
            since = max(since, self._queued.pop(number))
        if now > since:
            self.late.append((since, now))
