"""What any reader of a model's route and records must find, at every moment."""

from dataclasses import dataclass, field
from typing import Any

from serval.errors import ModelNotFound
from serval.models.registry import Rollout
from serval.models.route import Route
from tests.fakes.rollouts import MODEL


@dataclass
class RolloutLedger:
    """Remembers what was seen, and holds the registry to it."""

    registry: Any
    ended: dict[str, Rollout] = field(default_factory=dict)
    percent: dict[str, int] = field(default_factory=dict)
    """The largest share that each candidate was seen with."""
    revision: int = 0
    owners: dict[int, tuple[str, str]] = field(default_factory=dict)
    """The execution that each upload is, and the rollout that it has begun."""

    def claimed(self, which: int, owner: str, rollout: str) -> None:
        """Hear that an execution was told that an upload is its own."""
        known = self.owners.setdefault(which, (owner, rollout))
        assert known == (owner, rollout), f"upload {which} is two executions': {known}, {owner}"
        taken = [rollout for _, rollout in self.owners.values()]
        assert len(taken) == len(set(taken)), f"two uploads are one rollout: {self.owners}"

    @property
    def route(self) -> Route | None:
        try:
            found: Route = self.registry.route(MODEL)
        except ModelNotFound:
            return None
        return found

    @property
    def records(self) -> dict[str, Rollout]:
        return {one.rollout: one for one in self.registry.rollouts(MODEL)}

    def check(self) -> None:
        """Look at everything, once."""
        assert self.registry.offences == []
        route, records = self.route, self.records
        for one in records.values():
            self._verdict_stands(one)
            self._agrees(one, route)
        if route is None:
            assert all(
                one.status in ("running", "refused", "rolled back") for one in records.values()
            )
            return
        assert route.revision >= self.revision
        self.revision = route.revision
        owner = records[route.rollout]
        if route.candidate is None:
            assert owner.status in ("promoted", "rolled back"), (route, owner)
        else:
            assert (owner.status, owner.step) == ("running", "canary"), (route, owner)
            assert route.percent >= self.percent.get(owner.rollout, 0), (route, owner)
            self.percent[owner.rollout] = route.percent

    def _verdict_stands(self, one: Rollout) -> None:
        known = self.ended.get(one.rollout)
        if known is not None:
            assert one == known, "a verdict has changed"
        if one.ended:
            self.ended[one.rollout] = one

    def _agrees(self, one: Rollout, route: Route | None) -> None:
        stable = None if route is None else route.stable
        mine = route is not None and route.rollout == one.rollout
        if one.status == "running" and one.step == "canary":
            assert mine, (route, one)
            said = (one.version, one.percent, one.baseline)
            assert route is not None
            assert said == (route.candidate, route.percent, route.stable)
        if one.status == "promoted" and mine:
            assert stable == one.version, (route, one)
        if one.status == "rolled back" and mine:
            assert stable != one.version, (route, one)
        if one.status in ("superseded", "refused"):
            assert not mine, (route, one)
