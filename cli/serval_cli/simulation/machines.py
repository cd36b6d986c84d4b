"""Simulated machines, and the bill for them."""

from dataclasses import dataclass, field
from typing import Literal

from serval.fleets.state import Capacity

Phase = Literal["awaited", "starting", "working", "empty", "gone"]
"""Not to be had yet; on its way to a worker that takes work; with one; without one; given back."""
Use = Literal["starting", "running", "idle", "empty"]
"""What a second of a machine is spent on."""


@dataclass(slots=True, eq=False)
class Machine:
    """One machine and its worker."""

    number: int
    capacity: Capacity
    phase: Phase
    since: float
    """When the phase began."""
    worker: int = 0
    """Grows with each worker that starts on it."""
    running: list[int] = field(default_factory=list)
    """Requests of the run that its worker makes."""
    run: int = 0
    """Grows with each run, so that the end of one that was broken off is known."""
    run_began: float = 0.0
    completed: int = 0
    """By this worker."""
    busy_seconds: float = 0.0
    """Of this worker."""

    @property
    def pending(self) -> bool:
        """Tell whether its worker is still to come."""
        return self.phase in ("awaited", "starting")

    @property
    def idle(self) -> bool:
        """Tell whether its worker has nothing to do."""
        return self.phase == "working" and not self.running


@dataclass(slots=True)
class Bill:
    """Machine-seconds, by where the machines came from and what they were spent on."""

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
        """Charge a reclaimed machine's last seconds."""
        self._add(machine.capacity, "empty", seconds)

    def of(self, *, capacity: Capacity | None = None, use: Use | None = None) -> float:
        """Add up seconds."""
        return sum(
            seconds
            for (where, what), seconds in self.seconds.items()
            if capacity in (None, where) and use in (None, what)
        )

    def _add(self, capacity: Capacity, use: Use, seconds: float) -> None:
        self.seconds[capacity, use] = self.seconds.get((capacity, use), 0.0) + seconds
