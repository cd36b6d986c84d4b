"""The canary policy: state, metrics of both versions and the clock in, a decision out.

A rollout rolls back as soon as harm is beyond doubt, steps when a step has baked, seen enough
requests and shows no harm, and in between it holds. Every hold ends: when patience with a doubtful
candidate is over, with little traffic as ``when_idle`` says, and at the latest after ``HOLD_DAYS``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from serval.rollouts.policy.bounds import rate_lower_bound

QUANTILE = 0.95
"""The latency quantile that versions are compared by."""
MIN_REQUESTS = 200
"""Per version and step, before a step is taken."""
FEW_REQUESTS = 60
"""The same where traffic is little, after ``IDLE`` bake times; and before latencies are compared.

Of so many requests of a version that fails one in twenty, 95 % of the times one fails.
"""
MIN_ERRORS = 5
"""Before a candidate's errors are more than bad luck."""
FEW_ERRORS = 2
"""The same when time is up, as more are not to come."""
MIN_LATENCY_DIFFERENCE_MS = 5.0
PATIENCE = 4
"""A step that stays doubtful is rolled back after this many bake times and ``MIN_REQUESTS``.

With fewer requests ``when_idle`` decides: ``hold`` waits for them, ``promote`` until time is up.
"""
IDLE = 12
"""After this many bake times ``when_idle: promote`` is content with ``FEW_REQUESTS``."""
HOLD_DAYS = 45
"""A step that holds for so long is rolled back.

Looked at hourly, two such steps fit the 25,000 events of an execution's history.
"""

WhenIdle = Literal["promote", "hold"]


@dataclass(frozen=True, slots=True)
class CanaryPolicy:
    """What ``rollout:`` of a bundle says."""

    steps_percent: tuple[int, ...] = (10, 50)
    bake_seconds: float = 300.0
    max_error_percent: float = 1.0
    max_latency_ratio: float = 1.25
    when_idle: WhenIdle = "promote"
    promote_after_seconds: float = 21_600.0

    @property
    def step_seconds(self) -> float:
        """Give the longest time that a step takes under ``when_idle: promote``."""
        return max(self.promote_after_seconds, self.bake_seconds)


@dataclass(frozen=True, slots=True)
class Step:
    """Where a rollout stands."""

    percent: int
    age_seconds: float
    """Since the percent was set."""
    paused: bool = False


@dataclass(frozen=True, slots=True)
class TrackMetrics:
    """What a version did in this step, over windows whose metrics are complete."""

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
    """Give the candidate ``percent`` of the traffic."""

    percent: int
    reason: str


@dataclass(frozen=True, slots=True)
class Promote:
    """Make the candidate the stable version."""

    reason: str


@dataclass(frozen=True, slots=True)
class RollBack:
    """Give all traffic back to the stable version."""

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

    ``alarms`` are the names of the bundle's CloudWatch alarms that are in ALARM now.
    """
    if harm := proven_harm(policy, stable, candidate, alarms):
        return RollBack(harm)
    if step.age_seconds >= HOLD_DAYS * 86400:
        return RollBack(f"no verdict after {HOLD_DAYS} days at {step.percent} %")
    if step.paused:
        return Hold(pause(policy, step), f"paused at {step.percent} %")
    if step.age_seconds < policy.bake_seconds:
        return Hold(pause(policy, step), f"baking at {step.percent} %")
    doubt = suspected_harm(policy, stable, candidate)
    if policy.when_idle == "promote" and step.age_seconds >= policy.step_seconds:
        return in_the_end(policy, step, stable, candidate, doubt)
    if doubt:
        return doubtful(policy, step, candidate, doubt)
    if min(candidate.requests, requests_to_compare(step, stable)) < enough(policy, step):
        return Hold(pause(policy, step), wanted(policy, step, stable, candidate))
    return forward(policy, step, f"no harm in {candidate.requests} requests")


def proven_harm(
    policy: CanaryPolicy, stable: TrackMetrics, candidate: TrackMetrics, alarms: Sequence[str]
) -> str:
    """Say what the candidate does wrong beyond doubt, or nothing."""
    if alarms:
        return f"alarm {', '.join(alarms)} is in ALARM"
    if errors := proven_errors(policy, candidate, MIN_ERRORS):
        return errors
    if slower(policy, stable, candidate, stable.latency_upper_ms, candidate.latency_lower_ms):
        return (
            f"latency: the candidate's p95 is over {candidate.latency_lower_ms:.1f} ms and the "
            f"stable version's under {stable.latency_upper_ms:.1f} ms (95 % confidence each); "
            f"{policy.max_latency_ratio:g} times as long allowed"
        )
    return ""


def proven_errors(policy: CanaryPolicy, candidate: TrackMetrics, least: int) -> str:
    """Say that too many of the candidate's requests fail, beyond doubt and at least so many."""
    lower = 100 * rate_lower_bound(candidate.errors, candidate.requests)
    if candidate.errors < least or lower <= policy.max_error_percent:
        return ""
    return (
        f"errors: {candidate.errors} of the candidate's {candidate.requests} requests failed, "
        f"more than {lower:.2f} % with 95 % confidence; {policy.max_error_percent:g} % allowed"
    )


def suspected_harm(policy: CanaryPolicy, stable: TrackMetrics, candidate: TrackMetrics) -> str:
    """Say what the candidate seems to do wrong, as measured, or nothing."""
    if candidate.error_percent > policy.max_error_percent:
        return (
            f"errors: {candidate.errors} of the candidate's {candidate.requests} requests failed; "
            f"{policy.max_error_percent:g} % allowed"
        )
    if slower(policy, stable, candidate, stable.latency_ms, candidate.latency_ms):
        return (
            f"latency: the candidate's p95 is {candidate.latency_ms:.1f} ms, the stable version's "
            f"{stable.latency_ms:.1f} ms; {policy.max_latency_ratio:g} times as long allowed"
        )
    return ""


def slower(
    policy: CanaryPolicy,
    stable: TrackMetrics,
    candidate: TrackMetrics,
    stable_ms: float,
    candidate_ms: float,
) -> bool:
    """Compare a latency of the candidate with one of the stable version."""
    return (
        min(stable.requests - stable.errors, candidate.requests - candidate.errors) >= FEW_REQUESTS
        and candidate_ms > policy.max_latency_ratio * stable_ms
        and candidate_ms - stable_ms >= MIN_LATENCY_DIFFERENCE_MS
    )


def requests_to_compare(step: Step, stable: TrackMetrics) -> float:
    """Count the stable version's requests; where it gets none, none are waited for."""
    return stable.requests if step.percent < 100 else math.inf


def doubtful(policy: CanaryPolicy, step: Step, candidate: TrackMetrics, doubt: str) -> Decision:
    """Decide about a candidate that looks harmful: be patient, in time and in requests."""
    is_tried = candidate.requests >= PATIENCE * MIN_REQUESTS
    if not is_tried or step.age_seconds < PATIENCE * policy.bake_seconds:
        return Hold(pause(policy, step), doubt)
    return RollBack(f"{doubt}, still so after {PATIENCE} bake times")


def in_the_end(
    policy: CanaryPolicy, step: Step, stable: TrackMetrics, candidate: TrackMetrics, doubt: str
) -> Decision:
    """Decide when a step's time is up: what has shown no harm goes on, after golden checks."""
    after = f"after {step.age_seconds / 3600:.3g} h at {step.percent} %"
    if harm := proven_errors(policy, candidate, FEW_ERRORS):
        return RollBack(f"{harm}, {after}")
    if doubt and candidate.requests >= PATIENCE * MIN_REQUESTS:
        return RollBack(f"{doubt}, still so {after}")
    seen = f"{candidate.requests} requests of the candidate and {stable.requests} of the stable"
    return forward(policy, step, f"no proven harm in {seen} version {after}")


def enough(policy: CanaryPolicy, step: Step) -> int:
    """Tell how many requests of each version are a verdict at a step's age."""
    is_thin = policy.when_idle == "promote" and step.age_seconds >= IDLE * policy.bake_seconds
    return FEW_REQUESTS if is_thin else MIN_REQUESTS


def wanted(policy: CanaryPolicy, step: Step, stable: TrackMetrics, candidate: TrackMetrics) -> str:
    """Say which requests a step waits for, and until when."""
    seen = (
        f"{stable.requests} requests of the stable version and {candidate.requests} of the "
        f"candidate, {enough(policy, step)} of each wanted"
    )
    if policy.when_idle == "hold":
        return seen
    return f"{seen} or {policy.step_seconds / 3600:.3g} h without proven harm"


def latest_seconds(policy: CanaryPolicy, step: Step) -> float | None:
    """Give the time in which a rollout ends at the latest; None: it may hold for weeks."""
    if policy.when_idle == "hold" or step.paused:
        return None
    steps = 1 + sum(percent > step.percent for percent in policy.steps_percent)
    waits = 2 * pause(policy, Step(step.percent, policy.step_seconds))
    return max(0.0, steps * policy.step_seconds - step.age_seconds) + waits


def forward(policy: CanaryPolicy, step: Step, reason: str) -> TakeStep | Promote:
    """Take the next step, or promote after the last."""
    for percent in policy.steps_percent:
        if percent > step.percent:
            return TakeStep(percent, reason)
    return Promote(reason)


def pause(policy: CanaryPolicy, step: Step) -> float:
    """Choose when to look again, in seconds: often while young, hourly when old.

    Looks thin out with the step's age, so that a rollout may hold for months within the events
    that an execution's history has room for.
    """
    return min(max(policy.bake_seconds / 5, step.age_seconds / 10, 2.0), 3600.0)
