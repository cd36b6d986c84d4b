"""Postponed messages of the callbacks queue."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from serval.aws.sqs.queue_batches import QueueUrls
from serval.models.resource_names import callbacks_queue_name

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient


@dataclass(frozen=True, slots=True)
class PostponedCallbacks:
    """``Postponement`` in SQS."""

    client: "SQSClient"
    stage: str
    urls: QueueUrls = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "urls", QueueUrls(self.client))

    def postpone(self, receipt: str, seconds: int) -> None:
        """Deliver a message again after so many seconds."""
        self.client.change_message_visibility(
            QueueUrl=self.urls.of(callbacks_queue_name(self.stage)),
            ReceiptHandle=receipt,
            VisibilityTimeout=seconds,
        )
