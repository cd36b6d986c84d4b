"""Control of fleets: change a fleet's row, then its machines, the ticks and its endpoint.

The row is written first, conditionally, so that only one of many callers wakes a fleet. Then the
ticks are switched on and the machines ordered. After a crash between the two, the next submit that
finds no ticks repeats the rest, or the sweep does.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from serval.clock import Clock, timestamp, utc_now
from serval.errors import RegistryUnavailable
from serval.fleets.ports import Dispatcher, NoDispatcher, Ticks
from serval.fleets.scale.decide import wake
from serval.fleets.scale.observation import Observation
from serval.fleets.state import FleetState, FleetStates, Machines
from serval.models.deployed_fleets import DeployedFleet, Fleets

AWAKE_REMEMBERED = timedelta(seconds=5)
"""How long an environment remembers that a fleet is awake."""
STANDSTILL = timedelta(minutes=3)
"""An awake fleet without a tick for this long has no ticks at all."""
CHANGE_ATTEMPTS = 20

Transition = Callable[[FleetState], FleetState | None]
"""Computes the next row; None leaves the row as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetControl:
    """The ``Waker`` of a stage's fleets, and the only writer of their rows."""

    fleets: Fleets
    states: FleetStates
    machines: Machines
    ticks: Ticks
    dispatcher: Dispatcher = field(default_factory=NoDispatcher)
    clock: Clock = utc_now
    _seen_awake: dict[str, datetime] = field(default_factory=dict)

    def wake(self, fleet: str) -> None:
        """Wake a fleet if it sleeps, and have a SageMaker fleet's requests dispatched.

        A fleet that is no longer deployed is left alone; the sweep wakes its models' new fleet.
        """
        if (known := self.fleets.by_name.get(fleet)) is None:
            return
        now = self.clock()
        seen = self._seen_awake.get(fleet)
        if seen is None or now - seen >= AWAKE_REMEMBERED:
            state = self.states.find(fleet)
            if state.asleep:
                self.wake_now(known)
            elif has_no_ticks(state, now):
                self.start(known, state)
            self._seen_awake[fleet] = now
        if known.kind == "sagemaker":
            self.dispatcher.ask(fleet)

    def wake_now(self, fleet: DeployedFleet) -> FleetState:
        """Wake a fleet, whatever is remembered of it, and start it."""
        seen = Observation(now=self.clock())
        state = self.change(fleet.name, lambda row: wake(fleet, row, seen))
        return self.start(fleet, state)

    def add_job(self, fleet: str, job: str) -> None:
        """Add a batch job to a fleet's row; the next tick orders machines for its shards."""
        self.change(fleet, lambda row: replace(row, jobs=tuple(sorted({*row.jobs, job}))))
        self.ticks.enable()

    def start(self, fleet: DeployedFleet, state: FleetState) -> FleetState:
        """Switch on the ticks and order the machines of an awake fleet; idempotent."""
        self.ticks.enable()
        self.order_machines(fleet, state)
        return state

    def order_machines(self, fleet: DeployedFleet, state: FleetState) -> None:
        """Order the machines that a row asks for; an endpoint scales by itself."""
        if fleet.kind == "spot":
            self.machines.set(fleet.name, state.machines, state.capacity)

    def pause(self, model: str) -> FleetState:
        """Hold a model's requests until it is resumed.

        Raises
        ------
        ModelNotFound
            If the model runs on no fleet.
        """
        fleet = self.fleets.of_model(model)
        return self.change(
            fleet.name,
            lambda row: replace(row, paused=tuple(sorted({*row.paused, model}))),
        )

    def resume(self, model: str) -> FleetState:
        """Release a paused model's requests; if there are any, the next tick wakes the fleet.

        Raises
        ------
        ModelNotFound
            If the model runs on no fleet.
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
        """Apply a transition to the current row, again if another writer was first.

        Returns
        -------
        FleetState
            The new row, or the current one if the transition left it alone.

        Raises
        ------
        RegistryUnavailable
            If other writers were first twenty times.
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


def has_no_ticks(state: FleetState, now: datetime) -> bool:
    """Check whether a fleet is awake in its row only: no tick has run for a while."""
    return max(state.woken, state.ticked) < timestamp(now - STANDSTILL)
