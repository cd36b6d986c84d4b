"""Records of rollouts: what they say once a route, a decision or a verdict stands.

History: which version a model goes back to.
"""

from collections.abc import Sequence
from dataclasses import replace

from serval.models.registry import Rollout, RolloutStatus
from serval.models.route import Route
from serval.rollouts.policy.decide import Decision


def stable_before(route: Route, rollouts: Sequence[Rollout]) -> str | None:
    """Give the version that was stable before the stable one; None if there was none.

    A version that was gone back from is not gone back to: after 1, 2 and a rollback to 1 there is
    nothing before 1. The route is the truth also where the record of a promotion is missing.
    """
    trail: list[str] = []
    for rollout in sorted(rollouts, key=lambda rollout: rollout.updated):
        if rollout.status == "promoted":
            for version in (rollout.baseline, rollout.version):
                if version is not None:
                    visit(trail, version)
    visit(trail, route.stable)
    return trail[-2] if len(trail) > 1 else None


def visit(trail: list[str], version: str) -> None:
    """Go to a version: on from the last one, or back to where it was."""
    if version in trail:
        del trail[trail.index(version) + 1 :]
    else:
        trail.append(version)


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
