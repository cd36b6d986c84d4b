"""Decide about a canary: policy, step and metrics of both versions in, a decision out.

A rollout rolls back as soon as harm is proven. It takes the next step when this one has baked and
enough requests show no harm. Until then it holds. Every hold ends: for a candidate that looks
harmful after some bake times, with little traffic as ``when_idle`` says, and at the latest after
``HOLD_DAYS``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from serval.rollouts.policy.bounds import rate_lower_bound
from serval.rollouts.policy.canary_policy import CanaryPolicy

QUANTILE = 0.95
"""The latency quantile to compare versions by."""
MIN_REQUESTS = 200
"""Requests of each version before a step is taken."""
FEW_REQUESTS = 60
"""The same with little traffic, after ``IDLE`` bake times; also before latencies are compared.

If a version fails one request in twenty, at least one of so many fails 95 % of the time.
"""
MIN_ERRORS = 5
"""Errors of a candidate that cannot be bad luck."""
FEW_ERRORS = 2
"""The same when time is up, since no more requests will come."""
MIN_LATENCY_DIFFERENCE_MS = 5.0
PATIENCE = 4
"""Bake times, and multiples of ``MIN_REQUESTS``, before a candidate that looks harmful rolls back.

With fewer requests ``when_idle`` decides: ``hold`` waits for them, ``promote`` until time is up.
"""
IDLE = 12
"""Bake times after which ``when_idle: promote`` is content with ``FEW_REQUESTS``."""
HOLD_DAYS = 45
"""The longest time that a step holds before it rolls back.

With a look per hour, two such steps fit the 25,000 events of an execution's history.
"""


@dataclass(frozen=True, slots=True)
class Step:
    """The step that a rollout is at."""

    percent: int
    age_seconds: float
    """Time since the percent was set."""
    paused: bool = False


@dataclass(frozen=True, slots=True)
class TrackMetrics:
    """Metrics of a version in this step, over the window whose metrics are complete."""

    requests: int = 0
    errors: int = 0
    latency_ms: float = 0.0
    """Sample quantile ``QUANTILE``."""
    latency_lower_ms: float = 0.0
    """Lower confidence bound of the quantile."""
    latency_upper_ms: float = 0.0
    """Upper confidence bound of the quantile."""

    @property
    def error_percent(self) -> float:
        """Errors per hundred requests, as measured."""
        return 100 * self.errors / self.requests if self.requests else 0.0


@dataclass(frozen=True, slots=True)
class Hold:
    """Look again after ``seconds``."""

    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class TakeStep:
    """Raise the candidate's share of the traffic to ``percent``."""

    percent: int
    reason: str


@dataclass(frozen=True, slots=True)
class Promote:
    """Make the candidate the stable version."""

    reason: str


@dataclass(frozen=True, slots=True)
class RollBack:
    """Send all traffic to the stable version."""

    reason: str


Decision = Hold | TakeStep | Promote | RollBack


def decide(
    policy: CanaryPolicy,
    step: Step,
    stable: TrackMetrics,
    candidate: TrackMetrics,
    alarms: Sequence[str] = (),
) -> Decision:
    """Decide what a rollout does next.

    ``alarms`` names the bundle's CloudWatch alarms that are in ALARM.
    """
    if harm := proven_harm(policy, stable, candidate, alarms):
        return RollBack(harm)
    if step.age_seconds >= HOLD_DAYS * 86400:
        return RollBack(f"no verdict after {HOLD_DAYS} days at {step.percent} %")
    if step.paused:
        return Hold(seconds_to_next_look(policy, step), f"paused at {step.percent} %")
    if step.age_seconds < policy.bake_seconds:
        return Hold(seconds_to_next_look(policy, step), f"baking at {step.percent} %")
    doubt = suspected_harm(policy, stable, candidate)
    if policy.when_idle == "promote" and step.age_seconds >= policy.step_seconds:
        return decide_at_deadline(policy, step, stable, candidate, doubt)
    if doubt:
        return decide_in_doubt(policy, step, candidate, doubt)
    if min(candidate.requests, requests_to_compare(step, stable)) < requests_needed(policy, step):
        missing = describe_missing(policy, step, stable, candidate)
        return Hold(seconds_to_next_look(policy, step), missing)
    return advance(policy, step, f"no harm in {candidate.requests} requests")


def proven_harm(
    policy: CanaryPolicy, stable: TrackMetrics, candidate: TrackMetrics, alarms: Sequence[str]
) -> str:
    """Describe the candidate's harm that is beyond doubt; empty if there is none."""
    if alarms:
        return f"alarm {', '.join(alarms)} is in ALARM"
    if errors := proven_errors(policy, candidate, MIN_ERRORS):
        return errors
    if is_slower(policy, stable, candidate, stable.latency_upper_ms, candidate.latency_lower_ms):
        return (
            f"latency: the candidate's p95 is over {candidate.latency_lower_ms:.1f} ms and the "
            f"stable version's under {stable.latency_upper_ms:.1f} ms (95 % confidence each); "
            f"{policy.max_latency_ratio:g} times as long allowed"
        )
    return ""


def proven_errors(policy: CanaryPolicy, candidate: TrackMetrics, least: int) -> str:
    """Describe errors that are too many beyond doubt, and at least ``least``; empty if not."""
    lower = 100 * rate_lower_bound(candidate.errors, candidate.requests)
    if candidate.errors < least or lower <= policy.max_error_percent:
        return ""
    return (
        f"errors: {candidate.errors} of the candidate's {candidate.requests} requests failed, "
        f"more than {lower:.2f} % with 95 % confidence; {policy.max_error_percent:g} % allowed"
    )


def suspected_harm(policy: CanaryPolicy, stable: TrackMetrics, candidate: TrackMetrics) -> str:
    """Describe the harm that the measured values suggest; empty if there is none."""
    if candidate.error_percent > policy.max_error_percent:
        return (
            f"errors: {candidate.errors} of the candidate's {candidate.requests} requests failed; "
            f"{policy.max_error_percent:g} % allowed"
        )
    if is_slower(policy, stable, candidate, stable.latency_ms, candidate.latency_ms):
        return (
            f"latency: the candidate's p95 is {candidate.latency_ms:.1f} ms, the stable version's "
            f"{stable.latency_ms:.1f} ms; {policy.max_latency_ratio:g} times as long allowed"
        )
    return ""


def is_slower(
    policy: CanaryPolicy,
    stable: TrackMetrics,
    candidate: TrackMetrics,
    stable_ms: float,
    candidate_ms: float,
) -> bool:
    """Whether a latency of the candidate is too far above one of the stable version."""
    return (
        min(stable.requests - stable.errors, candidate.requests - candidate.errors) >= FEW_REQUESTS
        and candidate_ms > policy.max_latency_ratio * stable_ms
        and candidate_ms - stable_ms >= MIN_LATENCY_DIFFERENCE_MS
    )


def requests_to_compare(step: Step, stable: TrackMetrics) -> float:
    """Return the stable version's requests, or infinity at 100 %, where it gets none."""
    return stable.requests if step.percent < 100 else math.inf


def requests_needed(policy: CanaryPolicy, step: Step) -> int:
    """Return how many requests of each version are enough at a step's age."""
    is_idle = policy.when_idle == "promote" and step.age_seconds >= IDLE * policy.bake_seconds
    return FEW_REQUESTS if is_idle else MIN_REQUESTS


def describe_missing(
    policy: CanaryPolicy, step: Step, stable: TrackMetrics, candidate: TrackMetrics
) -> str:
    """Describe the requests that a step waits for, and until when."""
    seen = (
        f"{stable.requests} requests of the stable version and {candidate.requests} of the "
        f"candidate, {requests_needed(policy, step)} of each wanted"
    )
    if policy.when_idle == "hold":
        return seen
    return f"{seen} or {policy.step_seconds / 3600:.3g} h without proven harm"


def decide_in_doubt(
    policy: CanaryPolicy, step: Step, candidate: TrackMetrics, doubt: str
) -> Decision:
    """Decide about a candidate that looks harmful: hold for some time and requests."""
    is_tried = candidate.requests >= PATIENCE * MIN_REQUESTS
    if not is_tried or step.age_seconds < PATIENCE * policy.bake_seconds:
        return Hold(seconds_to_next_look(policy, step), doubt)
    return RollBack(f"{doubt}, still so after {PATIENCE} bake times")


def decide_at_deadline(
    policy: CanaryPolicy, step: Step, stable: TrackMetrics, candidate: TrackMetrics, doubt: str
) -> Decision:
    """Decide when a step's time is up: advance unless there is harm, even with few requests."""
    after = f"after {step.age_seconds / 3600:.3g} h at {step.percent} %"
    if harm := proven_errors(policy, candidate, FEW_ERRORS):
        return RollBack(f"{harm}, {after}")
    if doubt and candidate.requests >= PATIENCE * MIN_REQUESTS:
        return RollBack(f"{doubt}, still so {after}")
    seen = f"{candidate.requests} requests of the candidate and {stable.requests} of the stable"
    return advance(policy, step, f"no proven harm in {seen} version {after}")


def advance(policy: CanaryPolicy, step: Step, reason: str) -> TakeStep | Promote:
    """Take the next step, or promote after the last."""
    for percent in policy.steps_percent:
        if percent > step.percent:
            return TakeStep(percent, reason)
    return Promote(reason)


def seconds_to_next_look(policy: CanaryPolicy, step: Step) -> float:
    """Return the wait before the next look, which grows with the step's age to an hour.

    So a rollout may hold for months within the events of an execution's history.
    """
    return min(max(policy.bake_seconds / 5, step.age_seconds / 10, 2.0), 3600.0)


def latest_seconds(policy: CanaryPolicy, step: Step) -> float | None:
    """Return the time within which a rollout ends, or None if it may hold for weeks."""
    if policy.when_idle == "hold" or step.paused:
        return None
    steps = 1 + sum(percent > step.percent for percent in policy.steps_percent)
    waits = 2 * seconds_to_next_look(policy, Step(step.percent, policy.step_seconds))
    return max(0.0, steps * policy.step_seconds - step.age_seconds) + waits
