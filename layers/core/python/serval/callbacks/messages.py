"""Messages about callbacks, as SQS hands them to the function."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from serval.callbacks.backoff import pause_seconds
from serval.callbacks.delivery import Delivery

Event = Mapping[str, Any]


class Postponement(Protocol):
    """The queue that the messages come from."""

    def postpone(self, receipt: str, seconds: int) -> None:
        """Have a message delivered again only after so many seconds."""


@dataclass(frozen=True, slots=True)
class CallbackMessages:
    """Delivers each, and tells SQS which are to come again.

    One that was received as often as the queue allows goes to the dead-letter queue then.
    """

    delivery: Delivery
    queue: Postponement

    def reply(self, event: Event) -> dict[str, list[dict[str, str]]]:
        """Answer an event of SQS, naming the messages that have failed."""
        failed = [record for record in event["Records"] if not self._handle(record)]
        return {"batchItemFailures": [{"itemIdentifier": found["messageId"]} for found in failed]}

    def _handle(self, record: Event) -> bool:
        if self.delivery.deliver(json.loads(record["body"])["id"]):
            return True
        attempt = int(record["attributes"]["ApproximateReceiveCount"])
        self.queue.postpone(record["receiptHandle"], pause_seconds(attempt))
        return False
