"""Observations of a fleet: its open requests, its shards, and the reports of its workers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from serval.clock import timestamp
from serval.fleets.canaries import SplitCanary
from serval.fleets.state import WorkerState
from serval.requests.request import OpenRequest


@dataclass(frozen=True, slots=True)
class JobShards:
    """What a batch job needs of a fleet."""

    model: str
    left: int
    """Shards not done yet."""
    at_once: int
    """How many may run at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """A fleet as one tick sees it, without requests of paused models."""

    now: datetime
    waiting: int = 0
    """Requests without a runner, or whose runner is presumed dead."""
    running: int = 0
    oldest_age_seconds: float = 0.0
    """Age of the oldest waiting request; more machines cannot help running ones."""
    workers: Sequence[WorkerState] = ()
    jobs: Sequence[JobShards] = ()
    """What batch jobs need of it."""
    ended_jobs: tuple[str, ...] = ()
    """The jobs in its row that need nothing any more."""
    canaries: Sequence[SplitCanary] = ()
    """The rollouts whose two versions need a machine each."""

    @property
    def asked(self) -> bool:
        """Whether there is anything to do."""
        return self.open > 0 or any(job.left for job in self.jobs)

    @property
    def open(self) -> int:
        """How many requests have not finished."""
        return self.waiting + self.running

    @property
    def present(self) -> Sequence[WorkerState]:
        """The workers that accept work."""
        return [worker for worker in self.workers if not worker.draining]

    @property
    def busy(self) -> int:
        """How many workers have work in progress."""
        return sum(worker.holding > 0 or worker.shards > 0 for worker in self.present)


def observe(
    requests: Iterable[OpenRequest],
    workers: Sequence[WorkerState],
    now: datetime,
    jobs: Sequence[JobShards] = (),
    ended_jobs: tuple[str, ...] = (),
    *,
    also_waiting: int = 0,
    canaries: Sequence[SplitCanary] = (),
) -> Observation:
    """Combine requests, workers and jobs into an observation.

    ``also_waiting`` counts queued requests beyond ``requests``, which have waited for less time.
    """
    moment = timestamp(now)
    waiting, running, oldest = also_waiting, 0, moment
    for request in requests:
        if is_waiting(request, moment):
            waiting += 1
            oldest = min(oldest, request.created)
        else:
            running += 1
    age = (now - datetime.fromisoformat(oldest)).total_seconds() if waiting else 0.0
    return Observation(
        now=now,
        waiting=waiting,
        running=running,
        oldest_age_seconds=max(0.0, age),
        workers=workers,
        jobs=jobs,
        ended_jobs=ended_jobs,
        canaries=canaries,
    )


def is_waiting(request: OpenRequest, moment: str) -> bool:
    """Check whether nobody works on an open request."""
    return request.status == "queued" or (request.lease_until or "") <= moment
