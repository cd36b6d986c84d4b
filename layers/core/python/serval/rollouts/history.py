"""History: which version a model goes back to."""

from collections.abc import Sequence

from serval.models.registry import Rollout
from serval.models.route import Route


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
