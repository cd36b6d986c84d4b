"""A fleet's queue of shards of batch jobs, in SQS."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from serval.aws.sqs.queue_batches import QueueUrls, call_in_batches
from serval.batch.shard.tasks import shard_of_message
from serval.models.resource_names import shards_queue_name
from serval.worker.shards.shards import ShardMessage

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_sqs.literals import MessageSystemAttributeNameType

RECEIPTS: "MessageSystemAttributeNameType" = "ApproximateReceiveCount"


@dataclass(frozen=True, slots=True)
class FleetShards:
    """``ShardQueue`` in SQS."""

    client: "SQSClient"
    stage: str
    fleet: str
    urls: QueueUrls = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "urls", QueueUrls(self.client))

    def receive(self, wait_seconds: int, visibility_seconds: int) -> ShardMessage | None:
        """Receive a message, waiting up to ``wait_seconds`` (at most 20)."""
        answer = self.client.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=1,
            WaitTimeSeconds=wait_seconds,
            VisibilityTimeout=visibility_seconds,
            MessageSystemAttributeNames=[RECEIPTS],
        )
        for found in answer.get("Messages", []):
            text, receipts = found["Body"], int(found["Attributes"][RECEIPTS])
            return ShardMessage(shard_of_message(text), text, found["ReceiptHandle"], receipts)
        return None

    def hide(self, message: ShardMessage, seconds: int) -> None:
        """Hide a message from others for so many seconds from now, unless it is gone."""
        entry = {"ReceiptHandle": message.receipt, "VisibilityTimeout": seconds}
        call_in_batches(self.client.change_message_visibility_batch, self._url, [entry])

    def delete(self, message: ShardMessage) -> None:
        """Delete a message, unless it is gone."""
        entry = {"ReceiptHandle": message.receipt}
        call_in_batches(self.client.delete_message_batch, self._url, [entry])

    def give_back(self, message: ShardMessage, seconds: int) -> None:
        """Send a message anew, which resets its receive count, and delete the old one.

        A crash in between leaves two, of which the second one to be worked on finds the shard done.
        """
        self.client.send_message(QueueUrl=self._url, MessageBody=message.text, DelaySeconds=seconds)
        self.delete(message)

    @property
    def _url(self) -> str:
        return self.urls.of(shards_queue_name(self.stage, self.fleet))
