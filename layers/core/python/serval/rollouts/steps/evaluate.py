"""Evaluate a canary: measure both versions, decide, and carry the decision out."""

import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol, TypedDict

from serval.clock import Clock, utc_now
from serval.models.metrics import FLUSH_SECONDS
from serval.models.registry import ModelRegistry, Rollout
from serval.models.route import ROUTE_SECONDS
from serval.models.server_declaration import AT_ONCE, has_steps, note_machines
from serval.rollouts.control import RolloutControl, RolloutRefused
from serval.rollouts.policy.canary_policy import CanaryPolicy, alarm_names, canary_policy
from serval.rollouts.policy.decide import (
    Decision,
    Hold,
    RollBack,
    Step,
    decide,
    seconds_to_next_look,
)
from serval.rollouts.policy.measurement import Measurement, MetricsReader, track_metrics
from serval.rollouts.policy.windows import complete_window
from serval.rollouts.standing import NO_ALARM

SETTLING = timedelta(seconds=ROUTE_SECONDS + FLUSH_SECONDS)
"""How long after a change of the route metrics may still count earlier requests."""
NO_MACHINE = RollBack(
    "a deploy has left its fleet one machine, and a share of the candidate needs another: push it "
    "again"
)


@dataclass(frozen=True, slots=True)
class Alarms:
    """The state of the alarms that a bundle names."""

    ringing: tuple[str, ...] = ()
    """Those in ALARM."""
    missing: tuple[str, ...] = ()
    """Those that do not exist."""


class AlarmReader(Protocol):
    """A source of alarms; ``serval.aws.cloudwatch.alarms`` asks CloudWatch."""

    def look_up(self, names: Sequence[str]) -> Alarms:
        """Look alarms up by their names."""


class Outcome(TypedDict):
    """The answer to the state machine."""

    status: str
    """The rollout's; while it is ``running``, evaluate again after the wait."""
    wait_seconds: int


@dataclass(frozen=True, slots=True)
class Evaluate:
    """Evaluates rollouts that have a share of the traffic."""

    control: RolloutControl
    registry: ModelRegistry
    metrics: MetricsReader
    alarms: AlarmReader
    metric_lag: timedelta
    """Time until written metrics are complete."""
    clock: Clock = utc_now
    paired: Container[str] = ()
    """The models whose stable version and candidate may have a machine each."""

    def evaluate(self, model: str, rollout_id: str) -> Outcome:
        """Evaluate a rollout once; an evaluation may be repeated.

        Raises
        ------
        RolloutRefused
            If there is no such rollout, or it has no share of the traffic yet.
        """
        recorded = self.registry.rollout(model, rollout_id)
        if recorded is None:
            raise RolloutRefused(f"model {model!r} has no rollout {rollout_id!r}")
        rollout = self.control.reconcile(recorded)
        if rollout.ended:
            return {"status": rollout.status, "wait_seconds": 0}
        if rollout.step != "canary" or rollout.version is None:
            raise RolloutRefused(
                f"rollout {rollout_id!r} of model {model!r} has no share of the traffic yet: "
                f"it is {rollout.step}"
            )
        recorded_bundle = self.registry.version(model, rollout.version).bundle
        return self._look(rollout, note_machines(recorded_bundle, paired=model in self.paired))

    def _look(self, rollout: Rollout, bundle: Mapping[str, Any]) -> Outcome:
        policy, now = canary_policy(bundle), self.clock()
        since = datetime.fromisoformat(rollout.percent_since)
        window = complete_window(since + SETTLING, now - self.metric_lag)
        measured = Measurement.take(self.metrics, rollout.model, window)
        alarms = self.alarms.look_up(alarm_names(bundle))
        step = Step(rollout.percent, (now - since).total_seconds(), rollout.paused)
        stable, candidate = track_metrics(measured.stable), track_metrics(measured.candidate)
        at_once = not has_steps(bundle)
        decision = decide(policy, step, stable, candidate, alarms.ringing)
        if at_once and rollout.percent < 100:
            decision = NO_MACHINE
        report = measured.report(rollout.baseline, rollout.version)
        rollout = replace(rollout, details={**rollout.details, "metrics": report})
        remarked = with_remarks(decision, alarms, at_once=at_once)
        rollout = self.control.apply(rollout, remarked)
        return self._outcome(rollout, policy, decision)

    def _outcome(self, rollout: Rollout, policy: CanaryPolicy, decision: Decision) -> Outcome:
        if rollout.ended:
            return {"status": rollout.status, "wait_seconds": 0}
        young = Step(rollout.percent, 0)
        seconds = (
            decision.seconds if isinstance(decision, Hold) else seconds_to_next_look(policy, young)
        )
        return {"status": rollout.status, "wait_seconds": math.ceil(seconds)}


def with_remarks(decision: Decision, alarms: Alarms, *, at_once: bool) -> Decision:
    """Add to the reason alarms that do not exist, and that a rollout takes all traffic at once."""
    remarks = []
    if alarms.missing:
        remarks.append(f"{NO_ALARM} {', '.join(map(repr, alarms.missing))}")
    if at_once:
        remarks.append(AT_ONCE)
    return replace(decision, reason="; ".join([decision.reason, *remarks]))
