"""Records of rollouts: what they say once a route, a decision or a verdict stands."""

from dataclasses import replace

from serval.models.registry import Rollout, RolloutStatus
from serval.models.route import Route
from serval.rollouts.policy import Decision


def stated_by(route: Route, rollout: Rollout, now: str) -> Rollout:
    """Give the record that a rollout has by the route that is its own."""
    rollout = replace(rollout, version=rollout.version or route.candidate or route.stable)
    if route.candidate is None:
        if route.stable == rollout.version:
            reason = rollout.reason or f"version {route.stable} takes all traffic"
            return ended(rollout, "promoted", reason)
        return ended(rollout, "rolled back", rollout.reason or "ended between two writes")
    if rollout.step == "canary" and route.percent == rollout.percent:
        return rollout
    return replace(
        rollout,
        step="canary",
        baseline=route.stable,
        percent=route.percent,
        percent_since=now,
    )


def ended(rollout: Rollout, status: RolloutStatus, reason: str) -> Rollout:
    """Give the record of a rollout with its verdict."""
    percent = 100 if status == "promoted" else 0
    return replace(rollout, status=status, reason=reason, step="ended", percent=percent)


def informed(known: Rollout, looked: Rollout, decision: Decision) -> Rollout:
    """Give a record with what was measured, and why it was decided so."""
    return replace(known, details=looked.details, reason=decision.reason)
