"""CloudWatch alarms that a bundle names."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from serval.rollouts.steps.evaluate import Alarms

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.client import CloudWatchClient


@dataclass(frozen=True, slots=True)
class CloudWatchAlarms:
    """``AlarmReader`` in CloudWatch, in at most one call for ten names."""

    client: "CloudWatchClient"

    def look_up(self, names: Sequence[str]) -> Alarms:
        """Look up metric and composite alarms by name."""
        if not names:
            return Alarms()
        answer = self.client.describe_alarms(
            AlarmNames=list(names), AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
        states = {
            alarm["AlarmName"]: alarm["StateValue"]
            for kind in (answer.get("MetricAlarms", []), answer.get("CompositeAlarms", []))
            for alarm in kind
        }
        return Alarms(
            ringing=tuple(name for name in names if states.get(name) == "ALARM"),
            missing=tuple(name for name in names if name not in states),
        )
