"""Canaries on two machines, where a process of the inference server fills one.

A tick names the workers that hold a candidate, in the fleet's row; workers follow the row and the
route. While the row names nobody, every worker answers for both, with the stable version. So a
rollout may end in any way, and any worker may go: what lies in either queue is read on.
"""

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

from serval.errors import ModelNotFound
from serval.fleets.state import WorkerState
from serval.models.deployed_fleets import DeployedFleet
from serval.models.route import Route, Track, VersionRegistry
from serval.models.server_declaration import fills_a_machine

Side = Literal["either", "instead", "stable", "candidate"]
"""What a worker does for a model.

``either``: it answers as the route says, whichever version that is. ``instead``: it answers with
the stable version for the candidate too, which nobody holds. ``stable``, ``candidate``: it answers
with this one alone, and other workers do with the other.
"""


@dataclass(frozen=True, slots=True)
class SplitCanary:
    """A model whose stable version and candidate answer on two machines at the moment."""

    model: str
    candidate: str
    rollout: str
    percent: int


@dataclass(frozen=True, slots=True)
class Holders:
    """The workers that hold a rollout's candidate."""

    rollout: str
    workers: tuple[str, ...]


def split_of(
    fleet: DeployedFleet, model: str, route: Route, registry: VersionRegistry
) -> SplitCanary | None:
    """Return the canary of a model that takes two machines; None if none does."""
    if model not in fleet.paired or route.candidate is None or not 0 < route.percent < 100:
        return None
    if not fills_a_machine(registry.version(model, route.candidate).bundle):
        return None
    return SplitCanary(model, route.candidate, route.rollout, route.percent)


def find_splits(fleet: DeployedFleet, registry: VersionRegistry | None) -> Sequence[SplitCanary]:
    """Find a fleet's canaries that take two machines."""
    found: list[SplitCanary | None] = []
    if registry is not None:
        for model in fleet.paired:
            with suppress(ModelNotFound):
                found.append(split_of(fleet, model, registry.route(model), registry))
    return [canary for canary in found if canary is not None]


def choose_holders(
    canary: SplitCanary, present: Sequence[WorkerState], before: Holders | None
) -> Holders | None:
    """Choose the workers that are to hold a candidate: its share of them, at least one, never all.

    Those that hold it go on; then come those that have it in memory, and the newest. None: there
    are too few workers.
    """
    most = min(len(present) - 1, max(1, math.floor(len(present) * canary.percent / 100 + 0.5)))
    if most < 1:
        return None
    held = before.workers if before is not None and before.rollout == canary.rollout else ()
    name = f"{canary.model}:{canary.candidate}"
    newest = sorted(present, key=lambda worker: (worker.started, worker.worker), reverse=True)
    chosen = sorted(newest, key=lambda one: (one.worker not in held, name not in one.loaded))
    return Holders(canary.rollout, tuple(sorted(one.worker for one in chosen[:most])))


def choose_all(canaries: Sequence[SplitCanary], present: Sequence[WorkerState], before: str) -> str:
    """Choose the holders of every candidate, as a row has them before and after."""
    known = read_holders(before)
    chosen = {one.model: choose_holders(one, present, known.get(one.model)) for one in canaries}
    named = {model: holders for model, holders in chosen.items() if holders is not None}
    document = {model: [one.rollout, *one.workers] for model, one in named.items()}
    return json.dumps(document, sort_keys=True) if document else ""


def read_holders(text: str) -> Mapping[str, Holders]:
    """Read what a row says of every model."""
    document: dict[str, list[str]] = json.loads(text or "{}")
    return {model: Holders(said[0], tuple(said[1:])) for model, said in document.items()}


def side_of(canary: SplitCanary, holders: Holders | None, worker: str) -> Side:
    """Return what a worker does for a model with such a canary."""
    if holders is None or holders.rollout != canary.rollout:
        return "instead"
    return "candidate" if worker in holders.workers else "stable"


def takes(side: Side, track: Track) -> bool:
    """Return whether a worker takes the messages of a track's queue."""
    return side in ("either", "instead", track)


@dataclass(slots=True)
class Sides:
    """What one worker does for each model of its fleet, by the row that it read last."""

    worker: str
    fleet: DeployedFleet
    registry: VersionRegistry
    _holders: Mapping[str, Holders] = field(default_factory=dict)

    def obey(self, holders: str) -> None:
        """Follow what the fleet's row says from here on."""
        self._holders = read_holders(holders)

    def of(self, model: str, route: Route) -> Side:
        """Return what this worker does for a model, by a route."""
        canary = split_of(self.fleet, model, route, self.registry)
        if canary is None:
            return "either"
        return side_of(canary, self._holders.get(model), self.worker)
