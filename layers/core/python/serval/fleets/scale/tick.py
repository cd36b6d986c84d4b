"""The tick: once a minute, while any fleet is awake, every fleet is looked at.

Falling asleep meets submits that believe their fleet awake, for as long as they remember it. So a
fleet that was put to sleep is counted again at once and by the next tick, which is later than
anybody remembers; only then are the ticks switched off, and whoever woke a fleet in between is
looked for once more afterwards, for a fleet that wakes is written down before it switches them on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from typing import Any, Protocol

from serval.clock import Clock, timestamp, utc_now
from serval.fleets.control import FleetControl
from serval.fleets.metrics import publish
from serval.fleets.ports import BatchJobs, NoBatchJobs
from serval.fleets.scale.decide import decide
from serval.fleets.scale.demand import seconds_since
from serval.fleets.scale.observation import Observed, observe
from serval.fleets.state import FleetState
from serval.models.deployed_fleets import DeployedFleet
from serval.requests.request import OpenListing, OpenRequest

SETTLED = timedelta(seconds=30)
"""How long a fleet must sleep before the ticks are switched off: nobody believes it awake then."""
SHOWN = ("fleet", "machines", "capacity", "reason")


class OpenRequests(Protocol):
    """What a tick reads of the requests table."""

    def list_open(self) -> OpenListing:
        """List those that run, and of those queued the ones that changed longest ago."""

    def count_unlisted(self, listing: OpenListing, models: Sequence[str]) -> int:
        """Count the queued requests of these models that a listing has not listed."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """The open requests of a stage, by where their models are deployed now."""

    listed: Mapping[str, Sequence[OpenRequest]]
    """Those of each fleet."""
    listing: OpenListing


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """Scales spot fleets, hands requests to SageMaker fleets, publishes the metrics of both."""

    control: FleetControl
    store: OpenRequests
    write: Callable[[str], object]
    """Prints a line of metrics."""
    jobs: BatchJobs = field(default_factory=NoBatchJobs)
    clock: Clock = utc_now

    def tick(self) -> dict[str, Any]:
        """Look at every fleet once; tell what each one is to have, and whether ticks go on."""
        backlog = self._open()
        states = [
            state
            for fleet in self.control.fleets.by_name.values()
            if (state := self._look(fleet, backlog)) is not None
        ]
        shown = [{name: asdict(state)[name] for name in SHOWN} for state in states]
        return {"fleets": shown, "goes_on": self._goes_on()}

    def _look(self, fleet: DeployedFleet, backlog: Backlog) -> FleetState | None:
        """Decide about one fleet; None if it sleeps and is left to."""
        before = self.control.states.find(fleet.name)
        seen = self._seen(fleet, before, backlog)
        if before.asleep and not seen.asked and not seen.ended_jobs:
            if not settled(before, seen):
                self.control.ask_for_machines(fleet, before)
            return None
        policy = decide if fleet.kind == "spot" else watch
        after = self.control.change(fleet.name, lambda row: policy(fleet, row, seen))
        self.control.ask_for_machines(fleet, after)
        publish(after, seen, self.write)
        if after.asleep and self._seen(fleet, after, self._open()).asked:
            after = self.control.rouse(fleet)
        if fleet.kind == "sagemaker" and seen.open:
            self.control.dispatcher.ask(fleet.name, recount=True)
        return after

    def _seen(self, fleet: DeployedFleet, state: FleetState, backlog: Backlog) -> Observed:
        models = [model for model in fleet.models if model not in state.paused]
        listed = [each for each in backlog.listed[fleet.name] if each.model in models]
        goes_on = models and backlog.listing.rest
        found = {job: self.jobs.look(job) for job in state.jobs}
        return observe(
            listed,
            self.control.states.workers(fleet.name),
            self.clock(),
            [job for job in found.values() if job and job.model not in state.paused],
            tuple(job for job, shards in found.items() if shards is None),
            also_waiting=self.store.count_unlisted(backlog.listing, models) if goes_on else 0,
        )

    def _open(self) -> Backlog:
        fleets = self.control.fleets
        listed: dict[str, list[OpenRequest]] = {name: [] for name in fleets.by_name}
        deployed = fleets.models
        listing = self.store.list_open()
        for request in listing.listed:
            if (name := deployed.get(request.model)) is not None:
                listed[name].append(request)
        return Backlog(listed, listing)

    def _goes_on(self) -> bool:
        """Switch the ticks off when there is nothing left to look at."""
        if self._something_is_awake():
            return True
        self.control.ticks.disable()
        if not self._something_is_awake():
            return False
        self.control.ticks.enable()
        return True

    def _something_is_awake(self) -> bool:
        now = Observed(now=self.clock())
        fleets = self.control.fleets.by_name.values()
        states = [(fleet, self.control.states.find(fleet.name)) for fleet in fleets]
        if not all(settled(state, now) for _, state in states):
            return True
        backlog = self._open()
        return any(self._seen(fleet, state, backlog).asked for fleet, state in states)


def settled(state: FleetState, seen: Observed) -> bool:
    """Tell whether a fleet has slept for so long that nobody can believe it awake."""
    if not state.asleep:
        return False
    return not state.slept or state.slept <= timestamp(seen.now - SETTLED)


def watch(fleet: DeployedFleet, state: FleetState, seen: Observed) -> FleetState:
    """Give the row of a SageMaker fleet, whose endpoint scales itself: awake while it is used."""
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
