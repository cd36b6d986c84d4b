"""Messages about callbacks, and of those who want one, as SQS delivers them.

A callback is tried again after 5 s, then twice as long each time, at most an hour, for 12 h.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from serval.requests.callbacks.deliver import DeliverCallback

FIRST_SECONDS = 5
LONGEST_SECONDS = 3_600
ATTEMPTS = 21
"""The last comes some 11.5 hours after the first; this is also the queue's ``maxReceiveCount``."""

TASK_TOKEN = "task_token"
"""In a message of a state machine that wants to know when a request has ended."""


def pause_seconds(attempt: int) -> int:
    """Return how long after an attempt (1, 2, …) the next is due."""
    return int(min(FIRST_SECONDS * 2 ** (attempt - 1), LONGEST_SECONDS))


Event = Mapping[str, Any]


class Postponement(Protocol):
    """The queue of the messages."""

    def postpone(self, receipt: str, seconds: int) -> None:
        """Redeliver a message only after this many seconds."""


@dataclass(frozen=True, slots=True)
class CallbackMessages:
    """Handles messages and reports to SQS which to redeliver.

    SQS moves a message to the dead-letter queue once it was received as often as the queue allows.
    """

    deliver: DeliverCallback
    queue: Postponement

    def reply(self, event: Event) -> dict[str, list[dict[str, str]]]:
        """Handle an event of SQS and name the messages that failed."""
        failed = [record for record in event["Records"] if not self._handle(record)]
        return {"batchItemFailures": [{"itemIdentifier": found["messageId"]} for found in failed]}

    def _handle(self, record: Event) -> bool:
        body = json.loads(record["body"])
        if TASK_TOKEN in body:
            return self.deliver.register(body["id"], body[TASK_TOKEN])
        if self.deliver.deliver(body["id"]):
            return True
        attempt = int(record["attributes"]["ApproximateReceiveCount"])
        self.queue.postpone(record["receiptHandle"], pause_seconds(attempt))
        return False
