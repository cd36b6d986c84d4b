"""What a fleet is at the moment: its row in the registry table, and the rows of its workers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

Capacity = Literal["spot", "on-demand"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetState:
    """One fleet's row; times are UTC, ISO 8601."""

    fleet: str
    machines: int = 0
    """How many it is to have; 0: it sleeps."""
    capacity: Capacity = "spot"
    """Where its machines come from."""
    capacity_since: str = ""
    woken: str = ""
    """When it was last woken from zero."""
    slept: str = ""
    """When it was last put to sleep."""
    idle_since: str = ""
    """Since when nothing has been asked of it; empty: it has something to do."""
    less_since: str = ""
    """Since when fewer machines would do than it has; empty: it needs them all."""
    short_since: str = ""
    """Since when machines that it was promised are missing, and none has come."""
    paused: tuple[str, ...] = ()
    """Models whose queue is left alone; their requests wait."""
    jobs: tuple[str, ...] = ()
    """Batch jobs whose shards it is there for, each with its attempt: ``<id>:1``."""
    sent: tuple[str, ...] = ()
    """Ids of the inferences that its SageMaker endpoint holds."""
    open_before: int = 0
    """Open requests at the last tick."""
    counted: str = ""
    """JSON: requests completed, and seconds spent on them, by worker, as of the last tick."""
    arrivals_per_second: float = 0.0
    """Smoothed."""
    arrivals_trend: float = 0.0
    """How much the arrivals a second grow in a second; smoothed."""
    seconds_per_request: float = 0.0
    """A machine's time for one request, as measured; 0: not known."""
    start_up_seconds: float = 0.0
    """From being woken to a first worker, as measured; 0: not known."""
    ticked: str = ""
    """When the last tick looked."""
    reason: str = ""
    """Why it has the machines that it has, in words."""
    revision: int = 0
    """Grows by one with every change; writes are conditional on it."""

    @property
    def asleep(self) -> bool:
        """Tell whether it has no machines, and is to be woken by whoever needs one."""
        return self.machines == 0

    @property
    def in_flight(self) -> int:
        """Count the requests that its SageMaker endpoint holds."""
        return len(self.sent)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerState:
    """What one worker says of itself every few seconds."""

    fleet: str
    worker: str
    accelerator: str
    """What it runs on, in words: ``CUDA``, or ``CPU (stands in for nvidia)``."""
    started: str
    seen: str
    completed: int = 0
    """Requests that it has closed since it started."""
    busy_seconds: float = 0.0
    """Time that it has spent running them."""
    holding: int = 0
    """Requests that it has begun and not closed."""
    shards: int = 0
    """Shards of batch jobs that it works on."""
    draining: bool = False
    """It takes no more work: it is being stopped."""
    loaded: tuple[str, ...] = field(default=())
    """Versions in its memory, as ``textgen:3``."""


class FleetStates(Protocol):
    """The fleets' rows; reads see every write made before them."""

    def find(self, fleet: str) -> FleetState:
        """Give a fleet's row; one that was never written sleeps."""

    def save(self, before: FleetState, after: FleetState) -> bool:
        """Write what changed, with the next revision, if the row still has ``before``'s."""

    def workers(self, fleet: str) -> Sequence[WorkerState]:
        """List the workers that have spoken; those long silent are gone by themselves."""

    def report(self, worker: WorkerState) -> None:
        """Write what a worker says of itself."""

    def remove(self, fleet: str, worker: str) -> None:
        """Forget a worker that has ended."""


class Machines(Protocol):
    """Gives a fleet its machines: an ECS service, or on the laptop nobody: its row is read."""

    def set(self, fleet: str, machines: int, capacity: Capacity) -> None:
        """Ask for this many machines of this capacity; asking again changes nothing."""
