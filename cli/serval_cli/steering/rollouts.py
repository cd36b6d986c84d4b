"""Steer rollouts by hand: what people may do to them, and what it comes to."""

import sys
from functools import partial
from typing import Any

from serval.bootstrap.events import rollout_events
from serval.errors import ModelNotFound
from serval.models.registry import Rollout, RolloutStatus
from serval.models.remembered import ROUTE_SECONDS
from serval.rollouts.control import RolloutControl
from serval.rollouts.history import stable_before
from serval.rollouts.policy.decide import Promote
from serval_cli.failures import CommandFailed
from serval_cli.stages.stage import Stage

REASON = "by hand"


def control_of(stage: Stage) -> RolloutControl:
    """Give the control of a stage's rollouts; what it records is announced, as by the stage."""
    events = rollout_events(stage.client("events"), partial(print, file=sys.stderr))
    return RolloutControl(stage.registry, events.announce)


def pause(control: RolloutControl, rollout: Rollout, *, paused: bool) -> Rollout:
    """Let a rollout take no step of its own accord, or let it go on."""
    return expect(control.pause(rollout, paused=paused), "running")


def abort(control: RolloutControl, rollout: Rollout) -> Rollout:
    """Roll back, at whatever step the rollout is."""
    return expect(control.abort(rollout, REASON), "rolled back")


def promote(control: RolloutControl, rollout: Rollout) -> Rollout:
    """Make the candidate stable now."""
    if rollout.step != "canary":
        raise CommandFailed(
            f"rollout {rollout.rollout} of {rollout.model} is still {rollout.step}: only a version "
            f"that passed every check gets traffic; `serval rollout {rollout.model} --watch` "
            "follows it"
        )
    return expect(control.apply(rollout, Promote(REASON)), "promoted")


def roll_back(control: RolloutControl, model: str, version: str | None) -> Rollout:
    """End the canary of a model; without one go back to the version before, or to the one named."""
    route = control.registry.route(model)
    canary = next((found for found in running(control, model) if found.step == "canary"), None)
    if canary is not None and version in (None, route.stable):
        return abort(control, canary)
    if version is None:
        version = stable_before(route, control.registry.rollouts(model))
    if version is None:
        raise CommandFailed(
            f"no version of {model} was stable before version {route.stable}: "
            f"`serval versions {model}` lists the versions, --to goes to any of them"
        )
    return expect(control.go_to(model, version, REASON), "promoted")


def find_running(control: RolloutControl, model: str, rollout: str | None = None) -> Rollout:
    """Find the rollout to steer: the one named, else one with a share, else the newest running.

    Raises
    ------
    CommandFailed
        If none runs, or the one that is named does not.
    ModelNotFound
        If nothing is known of the model.
    """
    if rollout is not None:
        return named(control, model, rollout)
    found = running(control, model)
    if not found:
        stable = control.registry.route(model).stable
        raise CommandFailed(
            f"no rollout of {model} is running: version {stable} takes all traffic; "
            f"`serval rollback {model}` goes back to the version before"
        )
    return next((each for each in found if each.step == "canary"), found[0])


def named(control: RolloutControl, model: str, rollout: str) -> Rollout:
    """Find a running rollout by its id."""
    found = control.registry.rollout(model, rollout)
    if found is None:
        raise CommandFailed(
            f"model {model!r} has no rollout {rollout!r}: `serval describe {model}` lists the last"
        )
    return expect(control.reconcile(found), "running")


def running(control: RolloutControl, model: str) -> list[Rollout]:
    """List what runs, the newest first; the records follow the route, if they did not yet."""
    rollouts = [found for found in control.registry.rollouts(model) if not found.ended]
    newest_first = sorted(rollouts, key=lambda found: found.created, reverse=True)
    known = [control.reconcile(found) for found in newest_first]
    return [found for found in known if not found.ended]


def expect(rollout: Rollout, status: RolloutStatus) -> Rollout:
    """Give a rollout that has the status; one that was faster, or slower, has not."""
    if rollout.status != status:
        raise CommandFailed(
            f"rollout {rollout.rollout} of {rollout.model} is {rollout.status}: {rollout.reason}"
        )
    return rollout


def steered(control: RolloutControl, rollout: Rollout) -> dict[str, Any]:
    """Describe what became of a rollout, and what answers now."""
    try:
        route = control.registry.route(rollout.model)
    except ModelNotFound:
        route = None
    return {
        "model": rollout.model,
        "rollout": rollout.rollout,
        "status": rollout.status,
        "step": rollout.step,
        "percent": rollout.percent,
        "paused": rollout.paused,
        "version": rollout.version,
        "reason": rollout.reason,
        "route": route
        and {"stable": route.stable, "candidate": route.candidate, "percent": route.percent},
        "effective_within_seconds": ROUTE_SECONDS,
    }
