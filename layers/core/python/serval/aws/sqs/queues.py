"""The queues of a stage's models, and of its callbacks, in SQS.

Queues have fixed names; their URLs are looked up once.
"""

import json
import time
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from serval.aws.sqs.queue_batches import BATCH, Pause, QueueRefused, QueueUrls, call_in_batches
from serval.models.resource_names import (
    DEAD,
    callbacks_queue_name,
    candidate_queue_name,
    request_queue_name,
)
from serval.requests.redrive import DeadLetter

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType

ALL_SERVERS_SECONDS = 1
"""Without a wait SQS asks only some of its servers, and may miss messages."""
DEAD_LETTER_SECONDS = 60
"""How long a received dead letter is hidden from others."""
REASON_CHARACTERS = 1000
GROUP_CHARACTERS = 16
VISIBLE: "QueueAttributeNameType" = "ApproximateNumberOfMessages"
IN_FLIGHT: "QueueAttributeNameType" = "ApproximateNumberOfMessagesNotVisible"
DELAYED: "QueueAttributeNameType" = "ApproximateNumberOfMessagesDelayed"


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """Approximate numbers of messages; SQS's counts lag by up to a minute."""

    visible: int
    """Waiting to be received, delayed ones included."""
    in_flight: int
    """Received, and neither deleted nor given back."""
    dead: int
    """Waiting in the dead-letter queue."""


def message(request_id: str, model: str = "") -> str:
    """Write the message about a request; one in a queue that models share names the model."""
    return json.dumps({"id": request_id, "model": model} if model else {"id": request_id})


def dead_letter(model: str, request_id: str, reason: str) -> str:
    """Write a dead letter; sent to the model's queue again, it is a message like any other."""
    return json.dumps({"id": request_id, "model": model, "reason": reason[:REASON_CHARACTERS]})


@dataclass(frozen=True, slots=True)
class ParsedMessage:
    """What a message or a dead letter says; all is empty if it is not ours."""

    request_id: str = ""
    reason: str = ""
    model: str = ""
    """Empty in a queue of one model."""


def parse(body: str) -> ParsedMessage:
    """Read a message."""
    try:
        document: Any = json.loads(body)
        said = document["id"], document.get("reason", ""), document.get("model", "")
    except (AttributeError, KeyError, TypeError, ValueError):
        return ParsedMessage()
    return ParsedMessage(*said) if all(isinstance(one, str) for one in said) else ParsedMessage()


@dataclass(frozen=True, slots=True)
class ModelQueues:
    """``RequestQueue`` in SQS, with the counts and dead letters of each model's queues."""

    client: "SQSClient"
    stage: str
    fleet_models: Container[str] | None = None
    """The models that have queues of their own, of which others share one; None: all have."""
    pause: Pause = time.sleep
    urls: QueueUrls = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "urls", QueueUrls(self.client))

    def send(self, model: str, request_id: str) -> None:
        """Send a message about a request."""
        self.client.send_message(QueueUrl=self._url(model), MessageBody=message(request_id, model))

    def send_all(self, model: str, request_ids: Sequence[str]) -> None:
        """Send many messages.

        Raises
        ------
        QueueRefused
            If the queue does not take some; others are there.
        """
        entries = [{"MessageBody": message(request_id, model)} for request_id in request_ids]
        url = self._url(model)
        if faults := call_in_batches(self.client.send_message_batch, url, entries, self.pause):
            raise QueueRefused(url, faults)

    def counts(self, model: str, *, paired: bool = False) -> QueueCounts:
        """Count a model's messages, with those of its candidate if that has a queue of its own."""
        urls = [self._url(model)]
        if paired:
            urls.append(self.urls.of(candidate_queue_name(self.stage, model)))
        live = [self._attributes(url) for url in urls]
        dead = self._attributes(self._dead_url(model))
        return QueueCounts(
            visible=sum(one[VISIBLE] + one[DELAYED] for one in live),
            in_flight=sum(one[IN_FLIGHT] for one in live),
            dead=dead[VISIBLE],
        )

    def dead_letters(self, model: str) -> Sequence[DeadLetter]:
        """Receive up to ten of a model's dead letters, leaving messages that are not ours.

        Those of other models, with which it shares a queue, are passed over and released.
        """
        others: list[DeadLetter] = []
        try:
            while received := self._receive_dead(model):
                others += [letter for whose, letter in received if whose not in ("", model)]
                own = [letter for whose, letter in received if whose in ("", model)]
                if ours := [letter for letter in own if letter.request_id]:
                    return ours
            return []
        finally:
            self.release_dead_letters(model, others)

    def _receive_dead(self, model: str) -> list[tuple[str, DeadLetter]]:
        answer = self.client.receive_message(
            QueueUrl=self._dead_url(model),
            MaxNumberOfMessages=BATCH,
            WaitTimeSeconds=ALL_SERVERS_SECONDS,
            VisibilityTimeout=DEAD_LETTER_SECONDS,
        )
        received = []
        for found in answer.get("Messages", []):
            said = parse(found["Body"])
            letter = DeadLetter(said.request_id, said.reason, found["ReceiptHandle"])
            received.append((said.model, letter))
        return received

    def delete_dead_letter(self, model: str, letter: DeadLetter) -> None:
        """Delete a dead letter that was received."""
        self.client.delete_message(QueueUrl=self._dead_url(model), ReceiptHandle=letter.receipt)

    def release_dead_letters(self, model: str, letters: Sequence[DeadLetter]) -> None:
        """Release dead letters to other receivers."""
        entries = [{"ReceiptHandle": letter.receipt, "VisibilityTimeout": 0} for letter in letters]
        release = self.client.change_message_visibility_batch
        call_in_batches(release, self._dead_url(model), entries, self.pause)

    def _attributes(self, url: str) -> dict["QueueAttributeNameType", int]:
        asked: list[QueueAttributeNameType] = [VISIBLE, IN_FLIGHT, DELAYED]
        answer = self.client.get_queue_attributes(QueueUrl=url, AttributeNames=asked)
        return {name: int(answer["Attributes"][name]) for name in asked}

    def _url(self, model: str) -> str:
        return self.urls.of(request_queue_name(self.stage, model, self.fleet_models))

    def _dead_url(self, model: str) -> str:
        return self.urls.of(request_queue_name(self.stage, model, self.fleet_models) + DEAD)


@dataclass(frozen=True, slots=True)
class SqsCallbackQueue:
    """The queue of closed requests whose callers want a callback."""

    client: "SQSClient"
    stage: str
    urls: QueueUrls = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "urls", QueueUrls(self.client))

    def send(self, request_id: str, submitter: str | None = None) -> None:
        """Send a message about a closed request; each submitter's messages share a fair queue.

        SQS shares a standard queue fairly among its message groups.
        """
        url = self.urls.of(callbacks_queue_name(self.stage))
        group = (submitter or request_id)[:GROUP_CHARACTERS]
        self.client.send_message(
            QueueUrl=url, MessageBody=message(request_id), MessageGroupId=group
        )
