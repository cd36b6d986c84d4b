"""Steer rollouts by hand."""

import sys
from functools import partial
from typing import Any

from serval.bootstrap.events import rollout_events
from serval.models.registry import Rollout
from serval.models.rollout_words import RolloutStatus
from serval.models.route import ROUTE_SECONDS
from serval.rollouts.control import RolloutControl
from serval.rollouts.history import stable_before
from serval.rollouts.policy.decide import Promote
from serval.rollouts.standing import read_route
from serval_cli.failures import CommandFailed
from serval_cli.stages.stage import Stage
from serval_cli.steering.rollout_state import describe_route, describe_standing

REASON = "by hand"


def control_of(stage: Stage) -> RolloutControl:
    """Build the control of a stage's rollouts, which announces events as the stage does."""
    events = rollout_events(stage.client("events"), partial(print, file=sys.stderr))
    return RolloutControl(stage.registry, events.announce)


def pause(control: RolloutControl, rollout: Rollout, *, paused: bool) -> Rollout:
    """Pause a rollout or resume it."""
    return require_status(control.pause(rollout, paused=paused), "running")


def abort(control: RolloutControl, rollout: Rollout) -> Rollout:
    """Roll back, whatever step the rollout is at."""
    return require_status(control.abort(rollout, REASON), "rolled back")


def promote(control: RolloutControl, rollout: Rollout) -> Rollout:
    """Make the candidate stable now."""
    if rollout.step != "canary":
        raise CommandFailed(
            f"rollout {rollout.rollout} of {rollout.model} is still {rollout.step}: only a version "
            f"that passed every check gets traffic; `serval rollout {rollout.model} --watch` "
            "follows it"
        )
    return require_status(control.apply(rollout, Promote(REASON)), "promoted")


def roll_back(control: RolloutControl, model: str, version: str | None) -> Rollout:
    """Roll back a model's canary, or return to the given or the previous version."""
    route = control.registry.route(model)
    canary = next((found for found in list_running(control, model) if found.step == "canary"), None)
    if canary is not None and version in (None, route.stable):
        return abort(control, canary)
    if version is None:
        version = stable_before(route, control.registry.rollouts(model))
    if version is None:
        raise CommandFailed(
            f"no version of {model} was stable before version {route.stable}: "
            f"`serval versions {model}` lists the versions, --to goes to any of them"
        )
    return require_status(control.go_to(model, version, REASON), "promoted")


def find_running(control: RolloutControl, model: str, rollout: str | None = None) -> Rollout:
    """Find the rollout to steer: the one named, else one with traffic, else the newest running.

    Raises
    ------
    CommandFailed
        If no rollout runs, or the named one does not.
    ModelNotFound
        If the model is unknown.
    """
    if rollout is not None:
        return find_by_id(control, model, rollout)
    found = list_running(control, model)
    if not found:
        stable = control.registry.route(model).stable
        raise CommandFailed(
            f"no rollout of {model} is running: version {stable} takes all traffic; "
            f"`serval rollback {model}` goes back to the version before"
        )
    return next((each for each in found if each.step == "canary"), found[0])


def find_by_id(control: RolloutControl, model: str, rollout: str) -> Rollout:
    """Find a running rollout by its id."""
    found = control.registry.rollout(model, rollout)
    if found is None:
        raise CommandFailed(
            f"model {model!r} has no rollout {rollout!r}: `serval describe {model}` lists the last"
        )
    return require_status(control.reconcile(found), "running")


def list_running(control: RolloutControl, model: str) -> list[Rollout]:
    """List the running rollouts, newest first, after reconciling their records with the route."""
    rollouts = [found for found in control.registry.rollouts(model) if not found.ended]
    newest_first = sorted(rollouts, key=lambda found: found.created, reverse=True)
    known = [control.reconcile(found) for found in newest_first]
    return [found for found in known if not found.ended]


def require_status(rollout: Rollout, status: RolloutStatus) -> Rollout:
    """Return the rollout if it has the status, else raise ``CommandFailed``."""
    if rollout.status != status:
        raise CommandFailed(
            f"rollout {rollout.rollout} of {rollout.model} is {rollout.status}: {rollout.reason}"
        )
    return rollout


def describe_outcome(control: RolloutControl, rollout: Rollout) -> dict[str, Any]:
    """Describe the outcome of steering a rollout, and the route now."""
    return {
        "model": rollout.model,
        **describe_standing(rollout),
        "route": describe_route(read_route(control.registry, rollout.model)),
        "effective_within_seconds": ROUTE_SECONDS,
    }
