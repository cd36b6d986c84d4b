"""Describe a rollout's state for views and ``--json``, or in a line."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from serval.clock import timestamp
from serval.errors import ModelVersionNotFound
from serval.models.registry import ModelRegistry, Rollout
from serval.models.route import Route
from serval.rollouts.control import BY_HAND
from serval.rollouts.policy.canary_policy import CanaryPolicy, canary_policy
from serval.rollouts.policy.decide import Step, latest_seconds

Value = Mapping[str, Any]


def describe_rollout(rollout: Rollout, policy: CanaryPolicy | None = None) -> dict[str, Any]:
    """Describe a rollout and everything its steps recorded."""
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


def describe_standing(rollout: Rollout) -> dict[str, Any]:
    """Describe in short where a rollout stands."""
    return {
        "rollout": rollout.rollout,
        "status": rollout.status,
        "step": rollout.step,
        "percent": rollout.percent,
        "paused": rollout.paused,
        "version": rollout.version,
        "reason": rollout.reason,
    }


def describe_route(route: Route | None) -> dict[str, Any] | None:
    """Describe a route; a model without a single accepted upload has none."""
    if route is None:
        return None
    return {"stable": route.stable, "candidate": route.candidate, "percent": route.percent}


def policy_of(registry: ModelRegistry, rollout: Rollout) -> CanaryPolicy | None:
    """Return the policy of a rollout; None before its version is registered."""
    if rollout.version is None or rollout.rollout.startswith(BY_HAND):
        return None
    try:
        return canary_policy(registry.version(rollout.model, rollout.version).bundle)
    except ModelVersionNotFound:
        return None


def ends_by(rollout: Rollout, policy: CanaryPolicy) -> str | None:
    """Return the latest end of a canary; None if it has ended or may hold for weeks."""
    if rollout.ended or rollout.step != "canary" or not rollout.percent_since:
        return None
    seconds = latest_seconds(policy, Step(rollout.percent, 0, rollout.paused))
    if seconds is None:
        return None
    return timestamp(datetime.fromisoformat(rollout.percent_since) + timedelta(seconds=seconds))


@dataclass
class RolloutLines:
    """Prints a line for each change of a rollout."""

    write: Callable[[str], None]
    policy: Callable[[Rollout], CanaryPolicy | None] = lambda _: None
    """Returns the policy of a rollout."""
    last: str = ""

    def report(self, rollout: Rollout) -> None:
        """Print the rollout's state unless it is unchanged."""
        text = render_line(rollout, self.policy(rollout))
        if text != self.last:
            self.last = text
            self.write(f"{rollout.updated[11:19]} {text}")


def render_line(rollout: Rollout, policy: CanaryPolicy | None = None) -> str:
    """Render a rollout's state in a line."""
    reason = "; ".join(rollout.reason.splitlines())
    if rollout.ended:
        return f"{rollout.status}: {reason}"
    paused = ", paused" if rollout.paused else ""
    if rollout.step != "canary":
        return rollout.step + paused
    share = f"version {rollout.version} gets {rollout.percent} %{paused}"
    latest = ends_by(rollout, policy) if policy else None
    end = f"ends by {latest[:16]} UTC at the latest, or by `serval promote`" if latest else ""
    parts = [share, reason, *summarise_metrics(rollout.details.get("metrics") or {}), end]
    return "; ".join(part for part in parts if part)


def summarise_metrics(metrics: Value) -> list[str]:
    """Summarise the requests of both versions."""
    return [
        f"{track} {metrics[track]['requests']} requests, "
        f"{percent(metrics[track]['error_percent'])} errors, "
        f"p95 {milliseconds(metrics[track]['p95_ms'])}"
        for track in ("candidate", "stable")
        if metrics.get(track, {}).get("requests")
    ]


def percent(value: float | None) -> str:
    """Render an error rate."""
    return "-" if value is None else f"{value:.4g} %"


def milliseconds(value: float | None) -> str:
    """Render a latency."""
    if value is None:
        return "-"
    return f"{value:,.0f} ms" if value >= 1000 else f"{value:.4g} ms"
