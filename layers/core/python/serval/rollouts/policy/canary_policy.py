"""The canary policy of a model, from ``rollout:`` of its bundle."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from serval.models.server_declaration import has_steps

ALL_AT_ONCE = (100,)
WhenIdle = Literal["promote", "hold"]


@dataclass(frozen=True, slots=True)
class CanaryPolicy:
    """How a candidate takes over: its steps, their length, and the harm that ends it."""

    steps_percent: tuple[int, ...] = (10, 50)
    bake_seconds: float = 300.0
    max_error_percent: float = 1.0
    max_latency_ratio: float = 1.25
    when_idle: WhenIdle = "promote"
    promote_after_seconds: float = 21_600.0

    @property
    def step_seconds(self) -> float:
        """The longest time that a step takes under ``when_idle: promote``."""
        return max(self.promote_after_seconds, self.bake_seconds)


def canary_policy(bundle: Mapping[str, Any]) -> CanaryPolicy:
    """Read the policy; bundles of older versions may lack keys, which take their defaults.

    Where two versions cannot answer at a time, the one step has all of the traffic.
    """
    section: Mapping[str, Any] = bundle.get("rollout", {})
    names = [member.name for member in fields(CanaryPolicy)]
    policy = {name: section[name] for name in names if name in section}
    if "steps_percent" in policy:
        policy["steps_percent"] = tuple(policy["steps_percent"])
    if not has_steps(bundle):
        policy["steps_percent"] = ALL_AT_ONCE
    return CanaryPolicy(**policy)


def alarm_names(bundle: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the CloudWatch alarms that roll a candidate back."""
    return tuple(bundle.get("rollout", {}).get("alarms", ()))
