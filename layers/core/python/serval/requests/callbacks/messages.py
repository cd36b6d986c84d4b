"""Messages about callbacks, as SQS hands them to the function.

When a callback is tried again: after 5 s, twice as long each time, at most an hour; for 12 h.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from serval.requests.callbacks.deliver import Delivery

FIRST_SECONDS = 5
LONGEST_SECONDS = 3_600
ATTEMPTS = 21
"""The last one is some 11.5 hours after the first; it is the queue's ``maxReceiveCount`` too."""


def pause_seconds(attempt: int) -> int:
    """Give how long after an attempt (1, 2, …) the next one is due."""
    return int(min(FIRST_SECONDS * 2 ** (attempt - 1), LONGEST_SECONDS))


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
