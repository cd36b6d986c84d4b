"""Records of rollouts: what a route or a decision adds to one, and which version came before."""

from collections.abc import Sequence
from dataclasses import replace

from serval.models.registry import Rollout
from serval.models.rollout_words import RolloutStatus
from serval.models.route import Route
from serval.rollouts.policy.decide import Decision


def stable_before(route: Route, rollouts: Sequence[Rollout]) -> str | None:
    """Return the version that was stable before the current one, or None.

    A rollback removes the versions after it: after 1, 2 and a rollback to 1, nothing comes
    before 1. The route decides which version is stable, even if a promotion's record is missing.
    """
    trail: list[str] = []
    for rollout in sorted(rollouts, key=lambda rollout: rollout.updated):
        if rollout.status == "promoted":
            for version in (rollout.baseline, rollout.version):
                if version is not None:
                    follow(trail, version)
    follow(trail, route.stable)
    return trail[-2] if len(trail) > 1 else None


def follow(trail: list[str], version: str) -> None:
    """Append a version to the trail, or cut the trail back to it."""
    if version in trail:
        del trail[trail.index(version) + 1 :]
    else:
        trail.append(version)


def state_from(route: Route, rollout: Rollout, now: str) -> Rollout:
    """Update a rollout's record to what the route says, if the route is its own."""
    rollout = replace(rollout, version=rollout.version or route.candidate or route.stable)
    if route.candidate is None:
        if route.stable == rollout.version:
            reason = rollout.reason or without_canary(route.stable)
            return end_rollout(rollout, "promoted", reason)
        return end_rollout(rollout, "rolled back", rollout.reason or "ended between two writes")
    if rollout.step == "canary" and route.percent == rollout.percent:
        return rollout
    return replace(
        rollout,
        step="canary",
        baseline=route.stable,
        percent=route.percent,
        percent_since=now,
    )


def without_canary(version: str) -> str:
    """Word the verdict on a version that was compared with no other."""
    return f"version {version} takes all traffic"


def end_rollout(rollout: Rollout, status: RolloutStatus, reason: str) -> Rollout:
    """Update a rollout's record with its verdict."""
    percent = 100 if status == "promoted" else 0
    return replace(rollout, status=status, reason=reason, step="ended", percent=percent)


def add_decision(known: Rollout, evaluated: Rollout, decision: Decision) -> Rollout:
    """Update a rollout's record with the measurements and the reason of a decision."""
    return replace(known, details=evaluated.details, reason=decision.reason)
