"""A registry that knows what it held when each write came."""

from collections.abc import Sequence
from typing import Any

from serval.errors import ModelNotFound
from serval.models.registry import Rollout
from serval.models.route import Route


class RegistryWitness:
    """A registry, of which every write that succeeds is held against what it came upon."""

    def __init__(self, registry: Any) -> None:
        self._registry = registry
        self.offences: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._registry, name)

    def set_route(
        self,
        model: str,
        route: Route,
        expected_revision: int | None,
        rollouts: Sequence[Rollout] = (),
    ) -> bool:
        there = self._route(model)
        records = [(self._registry.rollout(model, one.rollout), one) for one in rollouts]
        made: bool = self._registry.set_route(model, route, expected_revision, rollouts)
        if made and (there and there.revision) != expected_revision:
            self.offences.append(f"a route is lost: {there} became {route}")
        if made and route.revision != (expected_revision or 0) + 1:
            self.offences.append(f"{there} became {route}, of no new revision")
        if made and there and route.stable != there.stable and not promotes(rollouts, route):
            self.offences.append(f"nobody was promoted, and {there} became {route}")
        if made:
            self.offences += [found for pair in records if (found := lost(*pair))]
        return made

    def record_rollout(self, rollout: Rollout) -> bool:
        there = self._registry.rollout(rollout.model, rollout.rollout)
        made: bool = self._registry.record_rollout(rollout)
        if made and (found := lost(there, rollout)):
            self.offences.append(found)
        return made

    def _route(self, model: str) -> Route | None:
        try:
            found: Route = self._registry.route(model)
        except ModelNotFound:
            return None
        return found


def lost(there: Rollout | None, written: Rollout) -> str | None:
    """Say what a write of a record has lost; None: nothing."""
    if there is None or (not there.ended and there.revision == written.revision):
        return None
    return f"a record is lost: {there} became {written}"


def promotes(rollouts: Sequence[Rollout], route: Route) -> bool:
    """Tell whether a route's stable version is that of a rollout promoted with it."""
    return any(
        (one.rollout, one.status, one.version) == (route.rollout, "promoted", route.stable)
        for one in rollouts
    )
