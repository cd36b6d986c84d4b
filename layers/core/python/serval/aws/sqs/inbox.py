"""A worker's messages, in the SQS queues of its models."""

import time
from collections import defaultdict
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from serval.aws.sqs.queue_batches import Pause, QueueUrls, call_in_batches
from serval.aws.sqs.queues import dead_letter, message, parse
from serval.models.resource_names import DEAD, candidate_queue_name, request_queue_name
from serval.models.route import Track
from serval.requests.inbox import Message

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient


@dataclass(frozen=True, slots=True)
class QueueInbox:
    """``Inbox`` in SQS; its client needs a connection for each thread that receives."""

    client: "SQSClient"
    stage: str
    fleet_models: Container[str] | None = None
    """As in ``ModelQueues``."""
    pause: Pause = time.sleep
    urls: QueueUrls = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "urls", QueueUrls(self.client))

    def receive(
        self,
        model: str,
        most: int,
        wait_seconds: int,
        visibility_seconds: int,
        track: Track = "stable",
    ) -> Sequence[Message]:
        """Receive up to ``most`` messages (1..10), waiting for the first one up to 20 seconds."""
        answer = self.client.receive_message(
            QueueUrl=self._url(model, track),
            MaxNumberOfMessages=most,
            WaitTimeSeconds=wait_seconds,
            VisibilityTimeout=visibility_seconds,
        )
        return [
            Message(model, parse(found["Body"]).request_id, found["ReceiptHandle"], track)
            for found in answer.get("Messages", [])
        ]

    def hide(self, messages: Sequence[Message], seconds: int) -> None:
        """Hide messages from others for so many seconds from now; 0: release them."""
        self._each(
            self.client.change_message_visibility_batch, messages, {"VisibilityTimeout": seconds}
        )

    def delete(self, messages: Sequence[Message]) -> None:
        """Delete any number of messages, of several models, ignoring those that are gone."""
        self._each(self.client.delete_message_batch, messages, {})

    def send(self, model: str, request_id: str, track: Track) -> None:
        """Send a message about a request to a track's queue."""
        body = message(request_id, model)
        self.client.send_message(QueueUrl=self._url(model, track), MessageBody=body)

    def dead_letter(self, model: str, request_id: str, reason: str) -> None:
        """Send a message to the model's dead-letter queue: the id, and why it failed."""
        url = self.urls.of(self._name(model) + DEAD)
        self.client.send_message(QueueUrl=url, MessageBody=dead_letter(model, request_id, reason))

    def _each(
        self, call: Callable[..., Any], messages: Sequence[Message], more: Mapping[str, Any]
    ) -> None:
        """Make a batch call; failures that SQS calls the sender's fault mean a message is gone."""
        entries: defaultdict[tuple[str, Track], list[Mapping[str, Any]]] = defaultdict(list)
        for one in messages:
            entries[one.model, one.track].append({"ReceiptHandle": one.receipt, **more})
        for (model, track), own in entries.items():
            call_in_batches(call, self._url(model, track), own, self.pause)

    def _url(self, model: str, track: Track) -> str:
        if track == "candidate":
            return self.urls.of(candidate_queue_name(self.stage, model))
        return self.urls.of(self._name(model))

    def _name(self, model: str) -> str:
        return request_queue_name(self.stage, model, self.fleet_models)
