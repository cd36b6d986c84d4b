"""A model in memory whose uploads roll out: verified versions, their executions, and people."""

from copy import copy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from serval.clock import timestamp
from serval.models.registry import Rollout
from serval.models.route import Route
from serval.models.signature import Signature
from serval.models.version import ModelVersion
from serval.rollouts.control import RolloutControl
from serval.rollouts.policy.canary_policy import CanaryPolicy
from serval.rollouts.policy.decide import Decision, Step, TrackMetrics, decide
from tests.fakes.registration import START, Crashes, InMemoryRegistry

MODEL = "iris"
GOOD = TrackMetrics(100_000, 0, 10.0, 9.5, 10.5)
FAILING = TrackMetrics(1_000, 50, 10.0, 9.5, 10.5)


@dataclass
class RollingModel:
    """One model, its registry, and the control under test."""

    policy: CanaryPolicy = field(default_factory=CanaryPolicy)
    registry: InMemoryRegistry = field(default_factory=lambda: InMemoryRegistry(Crashes()))
    now: datetime = START
    announced: list[Rollout] = field(default_factory=list)
    uploads: "count[int]" = field(default_factory=lambda: count(1))

    @property
    def control(self) -> RolloutControl:
        return RolloutControl(self.registry, self.announced.append, self.tick)

    @property
    def route(self) -> Route:
        return self.registry.routes[MODEL]

    def tick(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def record(self, rollout: str) -> Rollout:
        return self.registry.rollout_records[MODEL, rollout]

    def claim(self) -> Rollout:
        """Record that an upload came, and that its verification began."""
        now = timestamp(self.tick())
        rollout = Rollout(
            model=MODEL,
            rollout=f"u{next(self.uploads)}",
            status="running",
            created=now,
            updated=now,
        )
        self.registry.record_rollout(rollout)
        return rollout

    def verified(self, digest: str) -> str:
        """Register the version with these bytes."""
        version = self.registry.reserve(MODEL, digest)
        signature = Signature((), ())
        self.registry.record(
            ModelVersion(
                MODEL, version, digest, timestamp(self.tick()), "model.onnx", (), (), signature
            )
        )
        return version

    def begin(self, rollout: Rollout, digest: str) -> Rollout:
        return self.control.begin(rollout, self.verified(digest), self.policy)

    def roll_out(self, digest: str) -> Rollout:
        """Upload a good bundle and let its rollout begin."""
        return self.begin(self.claim(), digest)

    def look(
        self, rollout: str, candidate: TrackMetrics = GOOD, stable: TrackMetrics = GOOD
    ) -> tuple[Rollout, Decision | None]:
        """Do the first half of what ``evaluate`` does; None if there is nothing to decide."""
        found = self.control.reconcile(self.record(rollout))
        if found.ended:
            return found, None
        since = datetime.fromisoformat(found.percent_since).astimezone(UTC)
        step = Step(found.percent, (self.now - since).total_seconds(), found.paused)
        return found, decide(self.policy, step, stable, candidate)

    def evaluate(self, rollout: str, **metrics: TrackMetrics) -> Rollout:
        """Look, and carry out what was decided."""
        found, decision = self.look(rollout, **metrics)
        return found if decision is None else self.control.apply(found, decision)

    def pass_step(self, rollout: str) -> Rollout:
        """Let a step bake with good metrics, and evaluate it."""
        self.wait(self.policy.bake_seconds)
        return self.evaluate(rollout)

    def copy(self) -> "RollingModel":
        """Give a model that goes on from here without changing this one."""
        registry = self.registry
        copied = InMemoryRegistry(
            Crashes(),
            set(registry.listed),
            dict(registry.digests),
            dict(registry.records),
            dict(registry.routes),
            dict(registry.rollout_records),
        )
        return replace(self, registry=copied, announced=[], uploads=copy(self.uploads))


def seen(route: Route) -> tuple[str, str | None, int]:
    """Give what clients notice of a route."""
    return route.stable, route.candidate, route.percent


def said(rollout: Rollout, **expected: Any) -> dict[str, Any]:
    """Give the attributes of a rollout that are expected of it."""
    return {name: getattr(rollout, name) for name in expected}
