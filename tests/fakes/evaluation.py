"""What an evaluation looks at, in memory: metrics of both tracks by the second, and alarms."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from serval.models.registry import Rollout
from serval.models.route import Track
from serval.models.server_declaration import note_machines
from serval.rollouts.policy.canary_policy import canary_policy
from serval.rollouts.policy.latencies import PeriodLatencies
from serval.rollouts.policy.measurement import MetricReading
from serval.rollouts.policy.windows import Window
from serval.rollouts.steps.evaluate import Alarms, Evaluate
from tests.fakes.rollouts import MODEL, RollingModel

LAG = timedelta(seconds=90)


@dataclass
class InMemoryMetrics:
    """``MetricsReader`` of values with their times."""

    counted: list[tuple[Track, datetime, int, int, float]] = field(default_factory=list)
    """(track, time, requests, errors, latency of those that were answered)."""
    windows: list[Window] = field(default_factory=list)
    """What was asked for."""

    def write(
        self,
        track: Track,
        moment: datetime,
        requests: int,
        errors: int = 0,
        latency_ms: float = 10.0,
    ) -> None:
        self.counted.append((track, moment, requests, errors, latency_ms))

    def read(self, model: str, track: Track, window: Window) -> MetricReading:
        assert model == MODEL
        self.windows.append(window)
        found = [
            (requests, errors, latency_ms)
            for name, moment, requests, errors, latency_ms in self.counted
            if name == track and window.start <= moment < window.end
        ]
        return MetricReading(
            sum(requests for requests, _, _ in found),
            sum(errors for _, errors, _ in found),
            tuple(
                PeriodLatencies(requests - errors, ((0, latency_ms), (100, latency_ms)))
                for requests, errors, latency_ms in found
            ),
        )


@dataclass
class InMemoryAlarms:
    """``AlarmReader`` of the alarms that there are."""

    states: dict[str, str] = field(default_factory=dict)

    def look_up(self, names: Sequence[str]) -> Alarms:
        return Alarms(
            tuple(name for name in names if self.states.get(name) == "ALARM"),
            tuple(name for name in names if name not in self.states),
        )


class Canary:
    """A stable version, a candidate with its first share, and the evaluation under test."""

    def __init__(
        self, runtime: dict[str, Any] | None = None, *, paired: bool = False, **rollout: Any
    ) -> None:
        self.paired = paired
        """Whether the fleet has a machine for each version."""
        self.model = RollingModel()
        self.metrics, self.alarms = InMemoryMetrics(), InMemoryAlarms()
        self.model.roll_out("a")
        upload = self.model.claim()
        version = self.model.verified("b")
        registry = self.model.registry
        record = registry.records[MODEL, version]
        bundle = note_machines({"rollout": rollout, "runtime": runtime or {}}, paired=paired)
        registry.records[MODEL, version] = replace(record, bundle=bundle)
        self.id = self.model.control.begin(upload, version, canary_policy(bundle)).rollout

    @property
    def record(self) -> Rollout:
        return self.model.record(self.id)

    @property
    def evaluation(self) -> Evaluate:
        registry = self.model.registry
        paired = {MODEL} if self.paired else set()
        return Evaluate(
            self.model.control, registry, self.metrics, self.alarms, LAG, self.model.tick, paired
        )

    def serve(self, seconds: int, **candidate: Any) -> None:
        """Let time pass while both versions answer ten requests in each second."""
        for _ in range(seconds):
            self.model.wait(1)
            self.metrics.write("stable", self.model.now, 10)
            self.metrics.write("candidate", self.model.now, 10, **candidate)

    def evaluate(self) -> dict[str, Any]:
        return {**self.evaluation.evaluate(MODEL, self.id)}
