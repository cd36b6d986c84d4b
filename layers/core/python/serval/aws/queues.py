"""The queues of a stage's fleet models, and of its callbacks, in SQS.

Queues have fixed names; their URLs are looked up once.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from serval.fleets.names import callbacks_queue_name, dead_letter_queue_name, queue_name

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

BATCH = 10
"""Messages that one call of SQS takes or gives."""
BATCH_ATTEMPTS = 6
FIRST_PAUSE_SECONDS = 0.1
DEAD_LETTER_SECONDS = 60
"""How long a dead letter that was received is left to its receiver."""
VISIBLE: "QueueAttributeNameType" = "ApproximateNumberOfMessages"
IN_FLIGHT: "QueueAttributeNameType" = "ApproximateNumberOfMessagesNotVisible"
DELAYED: "QueueAttributeNameType" = "ApproximateNumberOfMessagesDelayed"


class MessagesNotSent(Exception):
    """SQS did not take messages, time and again."""

    def __init__(self, queue: str, request_ids: Sequence[str], reason: str) -> None:
        super().__init__(
            f"queue {queue} did not take {len(request_ids)} messages, the first of them about "
            f"{request_ids[0]!r}: {reason}"
        )
        self.queue, self.request_ids, self.reason = queue, tuple(request_ids), reason


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """How many messages SQS believes to be there: its numbers lag by up to a minute."""

    visible: int
    """Waiting to be received, delayed ones included."""
    in_flight: int
    """Received, and neither deleted nor given back."""
    dead: int
    """Waiting in the dead-letter queue."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message of a dead-letter queue, received for a minute."""

    request_id: str
    receipt: str
    """What deletes it."""


def message(request_id: str) -> str:
    """Write the message about a request."""
    return json.dumps({"id": request_id})


def request_of(body: str) -> str | None:
    """Give the id in a message; None if it is none of ours."""
    try:
        found = json.loads(body)["id"]
    except (KeyError, TypeError, ValueError):
        return None
    return found if isinstance(found, str) else None


@dataclass(frozen=True, slots=True)
class QueueUrls:
    """Looks queues up by their names, each once."""

    client: "SQSClient"
    found: dict[str, str] = field(default_factory=dict)

    def of(self, name: str) -> str:
        """Give a queue's URL."""
        if name not in self.found:
            self.found[name] = self.client.get_queue_url(QueueName=name)["QueueUrl"]
        return self.found[name]


@dataclass(frozen=True, slots=True)
class ModelQueues:
    """``RequestQueue`` in SQS, and what there is to see and redrive of a model's queues."""

    client: "SQSClient"
    stage: str
    pause: Callable[[float], None] = time.sleep
    urls: QueueUrls = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "urls", QueueUrls(self.client))

    def send(self, model: str, request_id: str) -> None:
        """Send a message about a request."""
        self.client.send_message(QueueUrl=self._url(model), MessageBody=message(request_id))

    def send_all(self, model: str, request_ids: Sequence[str]) -> None:
        """Send many messages.

        Raises
        ------
        MessagesNotSent
            If the queue does not take some, time and again; the others are there.
        """
        for first in range(0, len(request_ids), BATCH):
            self._send_batch(model, request_ids[first : first + BATCH])

    def counts(self, model: str) -> QueueCounts:
        """Count a model's messages."""
        live = self._attributes(queue_name(self.stage, model))
        dead = self._attributes(dead_letter_queue_name(self.stage, model))
        return QueueCounts(
            visible=live[VISIBLE] + live[DELAYED], in_flight=live[IN_FLIGHT], dead=dead[VISIBLE]
        )

    def dead_letters(self, model: str) -> Sequence[DeadLetter]:
        """Receive up to ten of a model's dead letters; what is none of ours stays there."""
        answer = self.client.receive_message(
            QueueUrl=self._dead_url(model),
            MaxNumberOfMessages=BATCH,
            VisibilityTimeout=DEAD_LETTER_SECONDS,
        )
        return [
            DeadLetter(request_id, found["ReceiptHandle"])
            for found in answer.get("Messages", [])
            if (request_id := request_of(found["Body"])) is not None
        ]

    def delete_dead_letter(self, model: str, letter: DeadLetter) -> None:
        """Delete a dead letter that was received."""
        self.client.delete_message(QueueUrl=self._dead_url(model), ReceiptHandle=letter.receipt)

    def _send_batch(self, model: str, request_ids: Sequence[str]) -> None:
        reason = ""
        for attempt in range(BATCH_ATTEMPTS):
            if attempt:
                self.pause(FIRST_PAUSE_SECONDS * 2**attempt)
            entries: list[SendMessageBatchRequestEntryTypeDef] = [
                {"Id": str(number), "MessageBody": message(request_id)}
                for number, request_id in enumerate(request_ids)
            ]
            answer = self.client.send_message_batch(QueueUrl=self._url(model), Entries=entries)
            if not (failed := answer.get("Failed", [])):
                return
            request_ids = [request_ids[int(entry["Id"])] for entry in failed]
            reason = f"{failed[0]['Code']}: {failed[0].get('Message', '')}"
        raise MessagesNotSent(queue_name(self.stage, model), request_ids, reason)

    def _attributes(self, name: str) -> dict["QueueAttributeNameType", int]:
        asked: list[QueueAttributeNameType] = [VISIBLE, IN_FLIGHT, DELAYED]
        answer = self.client.get_queue_attributes(QueueUrl=self.urls.of(name), AttributeNames=asked)
        return {name: int(answer["Attributes"][name]) for name in asked}

    def _url(self, model: str) -> str:
        return self.urls.of(queue_name(self.stage, model))

    def _dead_url(self, model: str) -> str:
        return self.urls.of(dead_letter_queue_name(self.stage, model))


@dataclass(frozen=True, slots=True)
class CallbackQueue:
    """Where closed requests wait whose callers want to be called back."""

    client: "SQSClient"
    stage: str
    urls: QueueUrls = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "urls", QueueUrls(self.client))

    def send(self, request_id: str) -> None:
        """Send a message about a closed request."""
        self.client.send_message(
            QueueUrl=self.urls.of(callbacks_queue_name(self.stage)),
            MessageBody=message(request_id),
        )
