"""Events about the states of batch jobs and rollouts, on EventBridge's default bus."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_events.client import EventBridgeClient
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef

Subject = TypeVar("Subject")


@dataclass(frozen=True, slots=True)
class StateEvents(Generic[Subject]):
    """Announces states; an event that cannot be sent is logged, and the work goes on."""

    client: "EventBridgeClient"
    source: str
    detail_type: str
    describe: Callable[[Subject], Mapping[str, Any]]
    """Builds the event's ``detail``."""
    log: Callable[[str], object]

    def announce(self, subject: Subject) -> None:
        """Send an event about a subject's state."""
        detail = json.dumps(self.describe(subject))
        entry: PutEventsRequestEntryTypeDef = {
            "Source": self.source,
            "DetailType": self.detail_type,
            "Detail": detail,
        }
        try:
            answer = self.client.put_events(Entries=[entry])
        except (ClientError, BotoCoreError) as error:
            self._log_loss(str(error), entry)
            return
        if answer["FailedEntryCount"]:
            self._log_loss(str(answer["Entries"]), entry)

    def _log_loss(self, error: str, event: Mapping[str, Any]) -> None:
        line = {"level": "ERROR", "failed": "sending an event", "error": error, "event": event}
        self.log(json.dumps(line))
