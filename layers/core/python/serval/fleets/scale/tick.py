"""The tick: once a minute, while any fleet is awake, scale every fleet.

A submit may still believe a fleet awake that has just been put to sleep. So a sleeping fleet is
checked again at once, and by the next tick, which is later than any submit remembers. Only then are
the ticks switched off, and after that all fleets are checked once more: whoever wakes a fleet
writes its row before switching the ticks on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from typing import Any, Protocol

from serval.clock import Clock, timestamp, utc_now
from serval.fleets.canaries import find_splits
from serval.fleets.control import FleetControl
from serval.fleets.metrics import publish
from serval.fleets.ports import BatchJobs, NoBatchJobs
from serval.fleets.scale.decide import decide
from serval.fleets.scale.demand import seconds_since
from serval.fleets.scale.observation import Observation, observe
from serval.fleets.state import FleetState
from serval.models.deployed_fleets import DeployedFleet
from serval.models.route import VersionRegistry
from serval.requests.request import OpenListing, OpenRequest

SETTLED = timedelta(seconds=30)
"""How long a fleet must sleep before the ticks stop: no submit believes it awake by then."""
SHOWN = ("fleet", "machines", "capacity", "reason")


class OpenRequests(Protocol):
    """The requests table, as a tick reads it."""

    def list_open(self) -> OpenListing:
        """List the running requests, and those queued longest."""

    def count_unlisted(self, listing: OpenListing, models: Sequence[str]) -> int:
        """Count the queued requests of these models that a listing has not listed."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """The open requests of a stage, by the fleet that their model is on now."""

    listed: Mapping[str, Sequence[OpenRequest]]
    """The listed requests of each fleet."""
    listing: OpenListing


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """Scales spot fleets, has SageMaker fleets dispatched, and publishes the metrics of both."""

    control: FleetControl
    store: OpenRequests
    write: Callable[[str], object]
    """Prints a line of metrics."""
    registry: VersionRegistry | None = None
    """Tells of rollouts; None: none of them takes two machines."""
    jobs: BatchJobs = field(default_factory=NoBatchJobs)
    clock: Clock = utc_now

    def tick(self) -> dict[str, Any]:
        """Scale every fleet; return what each should have, and whether ticks go on."""
        backlog = self._read_backlog()
        states = [
            state
            for fleet in self.control.fleets.by_name.values()
            if (state := self._scale(fleet, backlog)) is not None
        ]
        shown = [{name: asdict(state)[name] for name in SHOWN} for state in states]
        return {"fleets": shown, "goes_on": self._keep_ticking()}

    def _scale(self, fleet: DeployedFleet, backlog: Backlog) -> FleetState | None:
        """Scale one fleet; return None if it stays asleep."""
        before = self.control.states.find(fleet.name)
        seen = self._observe(fleet, before, backlog)
        if before.asleep and not seen.asked and not seen.ended_jobs:
            if not has_settled(before, seen):
                self.control.order_machines(fleet, before)
            return None
        policy = decide if fleet.kind == "spot" else follow_use
        after = self.control.change(fleet.name, lambda row: policy(fleet, row, seen))
        self.control.order_machines(fleet, after)
        publish(after, seen, self.write)
        if after.asleep and self._observe(fleet, after, self._read_backlog()).asked:
            after = self.control.wake_now(fleet)
        if fleet.kind == "sagemaker" and seen.open:
            self.control.dispatcher.ask(fleet.name, recount=True)
        return after

    def _observe(self, fleet: DeployedFleet, state: FleetState, backlog: Backlog) -> Observation:
        models = [model for model in fleet.models if model not in state.paused]
        listed = [each for each in backlog.listed[fleet.name] if each.model in models]
        goes_on = models and backlog.listing.rest
        found = {job: self.jobs.find_shards(job) for job in state.jobs}
        return observe(
            listed,
            self.control.states.workers(fleet.name),
            self.clock(),
            [job for job in found.values() if job and job.model not in state.paused],
            tuple(job for job, shards in found.items() if shards is None),
            also_waiting=self.store.count_unlisted(backlog.listing, models) if goes_on else 0,
            canaries=find_splits(fleet, self.registry),
        )

    def _read_backlog(self) -> Backlog:
        fleets = self.control.fleets
        listed: dict[str, list[OpenRequest]] = {name: [] for name in fleets.by_name}
        deployed = fleets.models
        listing = self.store.list_open()
        for request in listing.listed:
            if (name := deployed.get(request.model)) is not None:
                listed[name].append(request)
        return Backlog(listed, listing)

    def _keep_ticking(self) -> bool:
        """Switch the ticks off once every fleet sleeps; return whether they go on."""
        if self._any_awake():
            return True
        self.control.ticks.disable()
        if not self._any_awake():
            return False
        self.control.ticks.enable()
        return True

    def _any_awake(self) -> bool:
        now = Observation(now=self.clock())
        fleets = self.control.fleets.by_name.values()
        states = [(fleet, self.control.states.find(fleet.name)) for fleet in fleets]
        if not all(has_settled(state, now) for _, state in states):
            return True
        backlog = self._read_backlog()
        return any(self._observe(fleet, state, backlog).asked for fleet, state in states)


def has_settled(state: FleetState, seen: Observation) -> bool:
    """Check whether a fleet has slept for so long that nobody can believe it awake."""
    if not state.asleep:
        return False
    return not state.slept or state.slept <= timestamp(seen.now - SETTLED)


def follow_use(fleet: DeployedFleet, state: FleetState, seen: Observation) -> FleetState:
    """Return the next row of a SageMaker fleet, whose endpoint scales itself: awake while used."""
    now = timestamp(seen.now)
    state = replace(state, ticked=now)
    if seen.open:
        if state.asleep:
            state = replace(state, machines=1, woken=now, reason="its requests are open")
        return replace(state, idle_since="")
    state = replace(state, idle_since=state.idle_since or now)
    if (seconds_since(state.idle_since, seen.now) or 0.0) < fleet.idle_seconds:
        return state
    return replace(state, machines=0, slept=now, reason=f"nothing asked for {fleet.idle_seconds} s")
