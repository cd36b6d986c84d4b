"""What the bundle of a version says about its rollout, as the policy takes it."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from serval.rollouts.policy.decide import CanaryPolicy

NAMES = tuple(member.name for member in fields(CanaryPolicy))


def canary_policy(bundle: Mapping[str, Any]) -> CanaryPolicy:
    """Read the policy; what the bundle of an older version does not say is as by default."""
    said: Mapping[str, Any] = bundle.get("rollout", {})
    policy = {name: said[name] for name in NAMES if name in said}
    if "steps_percent" in policy:
        policy["steps_percent"] = tuple(policy["steps_percent"])
    return CanaryPolicy(**policy)


def alarm_names(bundle: Mapping[str, Any]) -> tuple[str, ...]:
    """Name the CloudWatch alarms that roll the version back."""
    return tuple(bundle.get("rollout", {}).get("alarms", ()))
