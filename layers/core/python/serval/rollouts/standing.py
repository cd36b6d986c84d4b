"""How a model's rollout stands, in words that anybody who may call the model may read."""

from typing import Any

from serval.errors import ModelNotFound
from serval.models.registry import ModelRegistry, Rollout
from serval.models.route import Route

DOING = {
    "claimed": "gathering the upload",
    "verifying": "verifying the upload",
    "optimising": "optimising the graph",
    "checking golden": "running the golden check",
    "registering": "registering the version",
    "canary": "measuring the canary",
}
"""What a rollout does at each of its steps."""
NO_ALARM = "no CloudWatch alarm is named"
"""What a remark about a bundle's alarms begins with."""
POLICY_WORDS = (
    *("no harm in ", "no proven harm in ", "no verdict after ", "errors: ", "latency: "),
    *("version ", "by hand", "a deploy has left ", "ended between "),
)
"""What the reasons begin with that quote nothing but numbers. All others may quote a bundle, its
golden requests, or AWS, which names keys and roles: they are for whoever publishes."""
INSTEAD = {
    "refused": "a check of the upload failed",
    "superseded": "another rollout took its place",
}
"""Status → what callers are told in place of the reason."""


def choose_rollout(registry: ModelRegistry, model: str) -> Rollout | None:
    """Choose the rollout to show: the one with traffic, else a running one, else the newest."""
    rollouts = sorted(registry.rollouts(model), key=lambda rollout: rollout.created, reverse=True)
    running = [rollout for rollout in rollouts if not rollout.ended]
    with_share = [rollout for rollout in running if rollout.step == "canary"]
    return next(iter([*with_share, *running, *rollouts]), None)


def describe_for_callers(registry: ModelRegistry, model: str) -> dict[str, Any]:
    """Describe the rollout that ``choose_rollout`` finds to a caller of the model.

    Raises
    ------
    ModelNotFound
        If nothing was ever uploaded for the model.
    """
    rollout = choose_rollout(registry, model)
    if rollout is None:
        raise ModelNotFound(model)
    # Read later than the rollout: once that is promoted, its version is the stable one here too.
    route = read_route(registry, model)
    return {
        "model": model,
        "stable": route and route.stable,
        "version": rollout.version,
        "status": rollout.status,
        "step": rollout.step,
        "percent": rollout.percent,
        "paused": rollout.paused,
        "started": rollout.created,
        "finished": rollout.updated if rollout.ended else None,
        "reason": reason_for_callers(rollout) if rollout.ended else None,
    }


def read_route(registry: ModelRegistry, model: str) -> Route | None:
    """Read a model's route; a model without a single accepted upload has none."""
    try:
        return registry.route(model)
    except ModelNotFound:
        return None


def reason_for_callers(rollout: Rollout) -> str | None:
    """Return why a rollout ended, as far as callers may know; None: that is the publisher's."""
    reason = rollout.reason.partition(f"; {NO_ALARM}")[0]
    for doing in DOING.values():
        if reason.startswith(failed := f"{doing} failed"):
            return failed
    if rollout.status in INSTEAD:
        return INSTEAD[rollout.status]
    if reason.startswith("alarm "):
        return "an alarm is in ALARM"
    return reason if reason.startswith(POLICY_WORDS) and "\n" not in reason else None
