"""Count the alarms that a stage pays for while nobody calls, at list prices of us-east-1."""

from collections.abc import Iterable, Mapping
from typing import Any

ALARM_DOLLARS = 0.10
"""A month, for each metric that an alarm watches."""
FREE_ALARMS = 10
"""Alarms that every account has for free."""
MADE_BY_AWS = {
    # AWS creates two alarms for each of these, one to grow and one to shrink.
    "AWS::ECS::CapacityProvider": 2,
    "AWS::ApplicationAutoScaling::ScalingPolicy": 2,
}


def count_alarms(resources: Iterable[Mapping[str, Any]]) -> int:
    """Count the metrics that alarms watch, including those that AWS creates itself."""
    return sum(count_alarms_of(resource) for resource in resources)


def count_alarms_of(resource: Mapping[str, Any]) -> int:
    """Count the metrics that alarms of one resource watch."""
    kind, properties = resource["Type"], resource.get("Properties", {})
    if kind == "AWS::CloudWatch::Alarm":
        return len(properties.get("Metrics", [properties]))
    if properties.get("PolicyType") == "StepScaling":
        return 0  # its alarm is in the template
    return MADE_BY_AWS.get(kind, 0)
