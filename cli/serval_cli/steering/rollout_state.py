"""How a rollout stands: as a value for views and ``--json``, and in a line."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from serval.clock import timestamp
from serval.errors import ModelVersionNotFound
from serval.models.registry import ModelRegistry, Rollout
from serval.rollouts.control import BY_HAND
from serval.rollouts.policy.canary_policy import CanaryPolicy, canary_policy
from serval.rollouts.policy.decide import Step, latest_seconds

Value = Mapping[str, Any]


def state(rollout: Rollout, policy: CanaryPolicy | None = None) -> dict[str, Any]:
    """Describe a rollout and all that its steps found out."""
    value = asdict(rollout)
    details = value.pop("details")
    golden = details.get("golden")
    return {
        **value,
        "steps_percent": None if policy is None else list(policy.steps_percent),
        "ends_by": None if policy is None else ends_by(rollout, policy),
        "metrics": details.get("metrics"),
        "golden": golden,
        "notes": [*details.get("notes", ()), *(golden or {}).get("notes", ())],
    }


def policy_of(registry: ModelRegistry, rollout: Rollout) -> CanaryPolicy | None:
    """Give the policy that a rollout is judged by; None before its version is registered."""
    if rollout.version is None or rollout.rollout.startswith(BY_HAND):
        return None
    try:
        return canary_policy(registry.version(rollout.model, rollout.version).bundle)
    except ModelVersionNotFound:
        return None


def ends_by(rollout: Rollout, policy: CanaryPolicy) -> str | None:
    """Give when a canary has ended at the latest; None: it has ended, or may hold for weeks."""
    if rollout.ended or rollout.step != "canary" or not rollout.percent_since:
        return None
    seconds = latest_seconds(policy, Step(rollout.percent, 0, rollout.paused))
    if seconds is None:
        return None
    return timestamp(datetime.fromisoformat(rollout.percent_since) + timedelta(seconds=seconds))


def chosen(registry: ModelRegistry, model: str) -> Rollout | None:
    """Choose a rollout to show: the one with a share of the traffic, one that runs, the newest."""
    rollouts = sorted(registry.rollouts(model), key=lambda rollout: rollout.created, reverse=True)
    running = [rollout for rollout in rollouts if not rollout.ended]
    with_share = [rollout for rollout in running if rollout.step == "canary"]
    return next(iter([*with_share, *running, *rollouts]), None)


@dataclass
class Lines:
    """Says how a rollout stands, a line for each change."""

    say: Callable[[str], None]
    policy: Callable[[Rollout], CanaryPolicy | None] = lambda _: None
    """Gives what a rollout is judged by."""
    last: str = ""

    def tell(self, rollout: Rollout) -> None:
        """Hear how it stands, which may be as before."""
        text = line(rollout, self.policy(rollout))
        if text != self.last:
            self.last = text
            self.say(f"{rollout.updated[11:19]} {text}")


def line(rollout: Rollout, policy: CanaryPolicy | None = None) -> str:
    """Say in a line how a rollout stands."""
    reason = "; ".join(rollout.reason.splitlines())
    if rollout.ended:
        return f"{rollout.status}: {reason}"
    paused = ", paused" if rollout.paused else ""
    if rollout.step != "canary":
        return rollout.step + paused
    share = f"version {rollout.version} gets {rollout.percent} %{paused}"
    latest = ends_by(rollout, policy) if policy else None
    end = f"ends by {latest[:16]} UTC at the latest, or by `serval promote`" if latest else ""
    parts = [share, reason, *measured(rollout.details.get("metrics") or {}), end]
    return "; ".join(part for part in parts if part)


def measured(metrics: Value) -> list[str]:
    """Say in a few words what both versions did."""
    return [
        f"{track} {metrics[track]['requests']} requests, "
        f"{percent(metrics[track]['error_percent'])} errors, "
        f"p95 {milliseconds(metrics[track]['p95_ms'])}"
        for track in ("candidate", "stable")
        if metrics.get(track, {}).get("requests")
    ]


def percent(value: float | None) -> str:
    """Show an error rate."""
    return "-" if value is None else f"{value:.4g} %"


def milliseconds(value: float | None) -> str:
    """Show a latency."""
    if value is None:
        return "-"
    return f"{value:,.0f} ms" if value >= 1000 else f"{value:.4g} ms"
