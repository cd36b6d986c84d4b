"""The state of a fleet: its row in the registry table, and the rows of its workers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

Capacity = Literal["spot", "on-demand"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetState:
    """One fleet's row; times are UTC, ISO 8601."""

    fleet: str
    machines: int = 0
    """How many it should have; 0: it sleeps."""
    capacity: Capacity = "spot"
    """Where its machines come from."""
    capacity_since: str = ""
    woken: str = ""
    """When it was last woken from zero."""
    slept: str = ""
    """When it was last put to sleep."""
    idle_since: str = ""
    """Since when it has had nothing to do; empty: it has work."""
    less_since: str = ""
    """Since when fewer machines would do; empty: it needs them all."""
    short_since: str = ""
    """Since when ordered machines are missing and none has arrived."""
    paused: tuple[str, ...] = ()
    """Models whose requests are held in their queues."""
    jobs: tuple[str, ...] = ()
    """Batch jobs whose shards it runs, each with its attempt: ``<id>:1``."""
    sent: tuple[str, ...] = ()
    """Ids of the inferences that its SageMaker endpoint holds."""
    open_before: int = 0
    """Open requests at the last tick."""
    counted: str = ""
    """JSON: completed requests and the seconds spent on them, by worker, at the last tick."""
    arrivals_per_second: float = 0.0
    """Smoothed."""
    arrivals_trend: float = 0.0
    """Growth of the arrival rate per second; smoothed."""
    seconds_per_request: float = 0.0
    """Measured machine time for one request; 0: unknown."""
    start_up_seconds: float = 0.0
    """Measured time from waking to the first worker; 0: unknown."""
    ticked: str = ""
    """When the last tick was."""
    holders: str = ""
    """JSON: the workers that hold a candidate, by model, after the id of its rollout."""
    reason: str = ""
    """Why it has this many machines, in words."""
    revision: int = 0
    """Grows by one with each change; writes are conditional on it."""

    @property
    def asleep(self) -> bool:
        """Whether it has no machines, so that whoever needs one wakes it."""
        return self.machines == 0

    @property
    def in_flight(self) -> int:
        """How many requests its SageMaker endpoint holds."""
        return len(self.sent)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerState:
    """What a worker reports about itself every few seconds."""

    fleet: str
    worker: str
    accelerator: str
    """What it runs on: ``CUDA``, or ``CPU (stands in for nvidia)``."""
    started: str
    seen: str
    completed: int = 0
    """Requests closed since it started."""
    busy_seconds: float = 0.0
    """Time spent running them."""
    holding: int = 0
    """Requests begun and not closed."""
    shards: int = 0
    """Shards of batch jobs in progress."""
    draining: bool = False
    """It is being stopped and takes no more work."""
    loaded: tuple[str, ...] = field(default=())
    """Versions in its memory, as ``textgen:3``."""


class FleetStates(Protocol):
    """The rows of fleets and workers; reads see every write made before them."""

    def find(self, fleet: str) -> FleetState:
        """Read a fleet's row; a fleet without one sleeps."""

    def save(self, before: FleetState, after: FleetState) -> bool:
        """Write the changes and the next revision, if the row still has that of ``before``."""

    def workers(self, fleet: str) -> Sequence[WorkerState]:
        """List the workers that have reported; rows of silent ones expire."""

    def report(self, worker: WorkerState) -> None:
        """Write a worker's report."""

    def remove(self, fleet: str, worker: str) -> None:
        """Delete the row of a worker that has ended."""


class Machines(Protocol):
    """Starts and stops machines: an ECS service, or, on a laptop, whoever reads the fleet's row."""

    def set(self, fleet: str, machines: int, capacity: Capacity) -> None:
        """Order this many machines of this capacity; idempotent."""
