"""Count what a stage pays for while nobody calls, at list prices of us-east-1."""

from collections.abc import Iterable, Mapping
from typing import Any

ALARM_DOLLARS = 0.10
"""A month, for each metric that an alarm watches."""
FREE_ALARMS = 10
"""Alarms that every account has for free."""
POLLS, FREE_POLLS, POLL_DOLLARS = 648_000, 1_000_000, 0.4e-6
"""Calls of SQS that each mapping of a queue makes in a month, those that an account has for free,
and the price of another. Five pollers of Lambda's wait 20 seconds for each message.
"""
MADE_BY_AWS = {
    # AWS creates two alarms for each of these, one to grow and one to shrink.
    "AWS::ECS::CapacityProvider": 2,
    "AWS::ApplicationAutoScaling::ScalingPolicy": 2,
}


def count_alarms(resources: Iterable[Mapping[str, Any]]) -> int:
    """Count the metrics that alarms watch, including those that AWS creates itself."""
    return sum(count_alarms_of(resource) for resource in resources)


def price_polling(resources: Iterable[Mapping[str, Any]]) -> float:
    """Return what polling queues costs a month, in dollars."""
    kinds = [each["Type"] for each in resources]
    polls = kinds.count("AWS::Lambda::EventSourceMapping") * POLLS
    return max(0, polls - FREE_POLLS) * POLL_DOLLARS


def count_alarms_of(resource: Mapping[str, Any]) -> int:
    """Count the metrics that alarms of one resource watch."""
    kind, properties = resource["Type"], resource.get("Properties", {})
    if kind == "AWS::CloudWatch::Alarm":
        return len(properties.get("Metrics", [properties]))
    if properties.get("PolicyType") == "StepScaling":
        return 0  # its alarm is in the template
    return MADE_BY_AWS.get(kind, 0)
