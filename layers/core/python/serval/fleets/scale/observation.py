"""What a tick sees of a fleet: open requests, shards, and what its workers say of themselves."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from serval.clock import timestamp
from serval.fleets.state import WorkerState
from serval.requests.request import OpenRequest


@dataclass(frozen=True, slots=True)
class JobShards:
    """What one batch job asks of a fleet."""

    model: str
    left: int
    """Shards that are not done."""
    at_once: int
    """How many of them may run at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """One look at a fleet; requests of paused models are left out."""

    now: datetime
    waiting: int = 0
    """Requests that no runner has, or whose runner is taken to be dead."""
    running: int = 0
    oldest_age_seconds: float = 0.0
    """Since when the oldest of those that wait is there; more machines cannot help who runs."""
    workers: Sequence[WorkerState] = ()
    jobs: Sequence[JobShards] = ()
    """What batch jobs ask of it."""
    ended_jobs: tuple[str, ...] = ()
    """Which of the jobs in its row ask nothing of it any more."""

    @property
    def asked(self) -> bool:
        """Tell whether anything is asked of the fleet."""
        return self.open > 0 or any(job.left for job in self.jobs)

    @property
    def open(self) -> int:
        """Count the requests that have not finished."""
        return self.waiting + self.running

    @property
    def present(self) -> Sequence[WorkerState]:
        """List the workers that take work."""
        return [worker for worker in self.workers if not worker.draining]

    @property
    def busy(self) -> int:
        """Count the workers that have begun something and not ended it."""
        return sum(worker.holding > 0 or worker.shards > 0 for worker in self.present)


def observe(
    requests: Iterable[OpenRequest],
    workers: Sequence[WorkerState],
    now: datetime,
    jobs: Sequence[JobShards] = (),
    ended_jobs: tuple[str, ...] = (),
    *,
    also_waiting: int = 0,
) -> Observed:
    """Put together what is to be known of a fleet.

    ``also_waiting`` counts requests that are not listed, for those that are have waited longer.
    """
    moment = timestamp(now)
    waiting, running, oldest = also_waiting, 0, moment
    for request in requests:
        if waits(request, moment):
            waiting += 1
            oldest = min(oldest, request.created)
        else:
            running += 1
    age = (now - datetime.fromisoformat(oldest)).total_seconds() if waiting else 0.0
    return Observed(
        now=now,
        waiting=waiting,
        running=running,
        oldest_age_seconds=max(0.0, age),
        workers=workers,
        jobs=jobs,
        ended_jobs=ended_jobs,
    )


def waits(request: OpenRequest, moment: str) -> bool:
    """Tell whether nobody works on an open request."""
    return request.status == "queued" or (request.lease_until or "") <= moment
