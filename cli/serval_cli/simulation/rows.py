"""The simulated row of a fleet."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from serval.fleets.state import FleetState, WorkerState


@dataclass(slots=True)
class Row:
    """``FleetStates`` of one fleet."""

    state: FleetState
    present: Callable[[], Sequence[WorkerState]]

    def find(self, fleet: str) -> FleetState:
        """Return the fleet's row."""
        return self.state

    def save(self, before: FleetState, after: FleetState) -> bool:
        """Write the row; nobody else writes it."""
        self.state = replace(after, revision=before.revision + 1)
        return True

    def workers(self, fleet: str) -> Sequence[WorkerState]:
        """List the current workers."""
        return self.present()

    def report(self, worker: WorkerState) -> None:
        """Do nothing: the pool is asked for its workers directly."""

    def remove(self, fleet: str, worker: str) -> None:
        """Do nothing, for the same reason."""
