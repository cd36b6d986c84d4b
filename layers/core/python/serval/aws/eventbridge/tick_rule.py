"""The EventBridge rule that runs ``tick`` every minute while a fleet is awake."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from serval.models.resource_names import tick_rule_name

if TYPE_CHECKING:
    from mypy_boto3_events.client import EventBridgeClient


@dataclass(frozen=True, slots=True)
class TickRule:
    """Switches a stage's ticks; switching twice changes nothing."""

    client: "EventBridgeClient"
    stage: str

    def enable(self) -> None:
        """Enable the rule."""
        self.client.enable_rule(Name=tick_rule_name(self.stage))

    def disable(self) -> None:
        """Disable the rule, which then costs nothing."""
        self.client.disable_rule(Name=tick_rule_name(self.stage))
