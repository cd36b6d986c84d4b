"""Events about detections, on EventBridge's default bus."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from serval.batch.shard.detections import DETAIL_TYPE
from serval.models.state_events import SOURCE

if TYPE_CHECKING:
    from mypy_boto3_events.client import EventBridgeClient
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef

BATCH = 10
"""Events that one call takes."""
ATTEMPTS = 6
FIRST_PAUSE_SECONDS = 0.1


class EventsRefused(Exception):
    """EventBridge refused some events again and again."""


@dataclass(frozen=True, slots=True)
class DetectionEvents:
    """Sends events, and those that EventBridge refuses again."""

    client: "EventBridgeClient"
    pause: Callable[[float], None] = time.sleep

    def send(self, details: Sequence[Mapping[str, Any]]) -> None:
        """Send an event for each detail.

        Raises
        ------
        EventsRefused
            If EventBridge refuses some of them six times.
        """
        entries: list[PutEventsRequestEntryTypeDef] = [
            {"Source": SOURCE, "DetailType": DETAIL_TYPE, "Detail": json.dumps(detail)}
            for detail in details
        ]
        for first in range(0, len(entries), BATCH):
            self._send(entries[first : first + BATCH])

    def _send(self, entries: "list[PutEventsRequestEntryTypeDef]") -> None:
        for attempt in range(ATTEMPTS):
            if attempt:
                self.pause(FIRST_PAUSE_SECONDS * 2**attempt)
            said = self.client.put_events(Entries=entries)["Entries"]
            refused = [one for one in said if "ErrorCode" in one]
            if not refused:
                return
            entries = [
                entry for entry, one in zip(entries, said, strict=True) if "ErrorCode" in one
            ]
        raise EventsRefused(
            f"EventBridge refused {len(refused)} events, the first with {refused[0]['ErrorCode']}: "
            f"{refused[0].get('ErrorMessage', '')}"
        )
