"""Simulated machines, and the bill for them."""

from dataclasses import dataclass, field
from typing import Literal

from serval.fleets.state import Capacity

Phase = Literal["awaited", "starting", "working", "empty", "gone"]
"""Waiting for capacity; starting towards a working worker; with one; without one; removed."""
Use = Literal["starting", "running", "idle", "empty"]
"""What a second of a machine is spent on."""


@dataclass(slots=True, eq=False)
class Machine:
    """One machine and its worker."""

    number: int
    capacity: Capacity
    phase: Phase
    since: float
    """Time at which the phase began."""
    worker: int = 0
    """Number of the current worker, counted up with each start."""
    running: list[int] = field(default_factory=list)
    """Requests of the worker's current run."""
    run: int = 0
    """Number of the current run, which tells the end of an interrupted run from a later one's."""
    run_began: float = 0.0
    completed: int = 0
    """Requests this worker has completed."""
    busy_seconds: float = 0.0
    """Seconds this worker has spent on runs."""

    @property
    def pending(self) -> bool:
        """Whether its worker has yet to start."""
        return self.phase in ("awaited", "starting")

    @property
    def idle(self) -> bool:
        """Whether its worker has nothing to do."""
        return self.phase == "working" and not self.running


@dataclass(slots=True)
class Bill:
    """Machine-seconds by capacity and use."""

    seconds: dict[tuple[Capacity, Use], float] = field(default_factory=dict)

    def charge(self, machine: Machine, now: float) -> None:
        """Charge the phase of a machine that ends now."""
        spent = now - machine.since
        match machine.phase:
            case "working":
                self._add(machine.capacity, "running", machine.busy_seconds)
                self._add(machine.capacity, "idle", spent - machine.busy_seconds)
            case "starting" | "empty":
                self._add(machine.capacity, machine.phase, spent)

    def charge_notice(self, machine: Machine, seconds: float) -> None:
        """Charge the last seconds of a reclaimed machine."""
        self._add(machine.capacity, "empty", seconds)

    def of(self, *, capacity: Capacity | None = None, use: Use | None = None) -> float:
        """Sum the seconds of a capacity and a use; None stands for all."""
        return sum(
            seconds
            for (where, what), seconds in self.seconds.items()
            if capacity in (None, where) and use in (None, what)
        )

    def _add(self, capacity: Capacity, use: Use, seconds: float) -> None:
        self.seconds[capacity, use] = self.seconds.get((capacity, use), 0.0) + seconds
