"""Changing a fleet's row, and then what the row stands for: its machines, the ticks, its endpoint.

The row is written first, conditionally, so that of many who wake a fleet one does; then the ticks
are switched on, and the machines asked for. A crash between the two is mended by the next submit
that finds the ticks standing still, or by the sweeper.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from serval.clock import Clock, timestamp, utc_now
from serval.errors import RegistryUnavailable
from serval.fleets.ports import Dispatcher, NoDispatcher, Ticks
from serval.fleets.scale.decide import woken
from serval.fleets.scale.observation import Observed
from serval.fleets.state import FleetState, FleetStates, Machines
from serval.models.deployed_fleets import DeployedFleet, Fleets

AWAKE_REMEMBERED = timedelta(seconds=5)
"""How long an environment does not look again at a fleet that it saw awake."""
STANDSTILL = timedelta(minutes=3)
"""An awake fleet that nobody has looked at for so long has no ticks."""
CHANGE_ATTEMPTS = 20

Transition = Callable[[FleetState], FleetState | None]
"""Gives what a row becomes; None: it is to stay as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetControl:
    """``Waker`` of a stage's fleets, and the only writer of their rows."""

    fleets: Fleets
    states: FleetStates
    machines: Machines
    ticks: Ticks
    dispatcher: Dispatcher = field(default_factory=NoDispatcher)
    clock: Clock = utc_now
    _seen_awake: dict[str, datetime] = field(default_factory=dict)

    def wake(self, fleet: str) -> None:
        """Wake a fleet that sleeps; have a SageMaker fleet's endpoint given what fits.

        A fleet that is not deployed any more is left alone: the sweep wakes the one whose it is.
        """
        if (known := self.fleets.by_name.get(fleet)) is None:
            return
        now = self.clock()
        seen = self._seen_awake.get(fleet)
        if seen is None or now - seen >= AWAKE_REMEMBERED:
            state = self.states.find(fleet)
            if state.asleep:
                self.rouse(known)
            elif standing_still(state, now):
                self.run(known, state)
            self._seen_awake[fleet] = now
        if known.kind == "sagemaker":
            self.dispatcher.ask(fleet)

    def rouse(self, fleet: DeployedFleet) -> FleetState:
        """Wake a fleet, whatever is remembered of it, and see that it runs."""
        seen = Observed(now=self.clock())
        state = self.change(fleet.name, lambda row: woken(fleet, row, seen))
        return self.run(fleet, state)

    def take_on(self, fleet: str, job: str) -> None:
        """Have a fleet work on a batch job's shards: the next tick gives it machines for them."""
        self.change(fleet, lambda row: replace(row, jobs=tuple(sorted({*row.jobs, job}))))
        self.ticks.enable()

    def run(self, fleet: DeployedFleet, state: FleetState) -> FleetState:
        """Make the world as an awake fleet's row says; doing it again changes nothing."""
        self.ticks.enable()
        self.ask_for_machines(fleet, state)
        return state

    def ask_for_machines(self, fleet: DeployedFleet, state: FleetState) -> None:
        """Ask for the machines that a row says; an endpoint counts its own."""
        if fleet.kind == "spot":
            self.machines.set(fleet.name, state.machines, state.capacity)

    def pause(self, model: str) -> FleetState:
        """Let a model's requests wait until it is resumed.

        Raises
        ------
        ModelNotFound
            If no fleet answers for the model.
        """
        fleet = self.fleets.of_model(model)
        return self.change(
            fleet.name,
            lambda row: replace(row, paused=tuple(sorted({*row.paused, model}))),
        )

    def resume(self, model: str) -> FleetState:
        """Let a paused model's requests go on; the next tick wakes its fleet, if there are any.

        Raises
        ------
        ModelNotFound
            If no fleet answers for the model.
        """
        fleet = self.fleets.of_model(model)
        state = self.change(
            fleet.name,
            lambda row: replace(row, paused=tuple(name for name in row.paused if name != model)),
        )
        self.ticks.enable()
        if fleet.kind == "sagemaker":
            self.dispatcher.ask(fleet.name)
        return state

    def change(self, fleet: str, transition: Transition) -> FleetState:
        """Apply a transition to a row as it is now, whoever else changes it meanwhile.

        Returns
        -------
        FleetState
            The row after it; as it is, if the transition left it alone.

        Raises
        ------
        RegistryUnavailable
            If other writers were first twenty times in a row.
        """
        for _ in range(CHANGE_ATTEMPTS):
            before = self.states.find(fleet)
            after = transition(before)
            if after is None or after == before:
                return before
            if self.states.save(before, after):
                return replace(after, revision=before.revision + 1)
        raise RegistryUnavailable(
            f"fleet {fleet!r}: {CHANGE_ATTEMPTS} changes met another writer of its row"
        )


def standing_still(state: FleetState, now: datetime) -> bool:
    """Tell whether a fleet is awake in its row alone: no tick has looked at it for a while."""
    return max(state.woken, state.ticked) < timestamp(now - STANDSTILL)
