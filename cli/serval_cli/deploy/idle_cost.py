"""What a stage costs while nobody calls, at list prices of us-east-1."""

from collections.abc import Iterable, Mapping
from typing import Any

PRICES_OF = "2026-11-21"
ALARM_DOLLARS = 0.10
"""A month, for each metric that an alarm looks at."""
FREE_ALARMS = 10
"""Those that CloudWatch gives every account for nothing, always."""
MADE_BY_AWS = {
    # Each of these has AWS make two alarms, one to grow and one to shrink.
    "AWS::ECS::CapacityProvider": 2,
    "AWS::ApplicationAutoScaling::ScalingPolicy": 2,
}


def alarms(resources: Iterable[Mapping[str, Any]]) -> int:
    """Count the metrics that alarms look at, those included that AWS makes by itself."""
    return sum(alarms_of(resource) for resource in resources)


def alarms_of(resource: Mapping[str, Any]) -> int:
    """Count those of one resource."""
    kind, properties = resource["Type"], resource.get("Properties", {})
    if kind == "AWS::CloudWatch::Alarm":
        return len(properties.get("Metrics", [properties]))
    if properties.get("PolicyType") == "StepScaling":
        return 0  # its alarm is the template's own
    return MADE_BY_AWS.get(kind, 0)
