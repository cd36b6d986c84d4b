"""A stage's schedules in EventBridge Scheduler, and what it could not deliver."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType

WAITING: "QueueAttributeNameType" = "ApproximateNumberOfMessages"
ALL_SERVERS_SECONDS = 1
"""Without a wait SQS asks only some of its servers, and may miss messages."""
LOOKED_AT = 10
NO_GROUP = "ResourceNotFoundException"
NO_QUEUE = frozenset(
    {"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "NonExistentQueue"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundSchedule:
    """A schedule as it is deployed."""

    name: str
    """In its group."""
    expression: str
    enabled: bool
    input: Mapping[str, Any] = field(default_factory=dict)
    """What its target is given."""


@dataclass(frozen=True, slots=True)
class Undelivered:
    """One run of a schedule that its target did not accept."""

    schedule: str
    """In its group; empty if unknown."""
    reason: str


@dataclass(frozen=True, slots=True)
class Schedules:
    """The group of a stage's schedules."""

    client: Any
    """The client of EventBridge Scheduler."""
    group: str

    def all(self) -> Iterator[FoundSchedule]:
        """List the schedules; empty if the group was never deployed."""
        for name in self._names():
            found = self.client.get_schedule(GroupName=self.group, Name=name)
            yield FoundSchedule(
                name=name,
                expression=found["ScheduleExpression"],
                enabled=found.get("State", "ENABLED") == "ENABLED",
                input=_object(found["Target"].get("Input", "{}")),
            )

    def _names(self) -> Iterator[str]:
        page: dict[str, str] = {}
        while True:
            try:
                answer = self.client.list_schedules(GroupName=self.group, **page)
            except ClientError as error:
                if error.response["Error"]["Code"] == NO_GROUP:
                    return
                raise
            yield from (schedule["Name"] for schedule in answer["Schedules"])
            if not answer.get("NextToken"):
                return
            page = {"NextToken": answer["NextToken"]}


@dataclass(frozen=True, slots=True)
class ScheduleDeadLetters:
    """The queue of what Scheduler could not deliver."""

    client: "SQSClient"
    queue: str
    """Its name."""

    def count(self) -> int:
        """Count the messages, approximately."""
        if (url := self._url()) is None:
            return 0
        answer = self.client.get_queue_attributes(QueueUrl=url, AttributeNames=[WAITING])
        return int(answer["Attributes"][WAITING])

    def some(self) -> Sequence[Undelivered]:
        """Read up to ten of the messages, which stay in the queue."""
        if (url := self._url()) is None:
            return []
        answer = self.client.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=LOOKED_AT,
            MessageAttributeNames=["All"],
            WaitTimeSeconds=ALL_SERVERS_SECONDS,
            VisibilityTimeout=0,
        )
        return [_read_undelivered(found) for found in answer.get("Messages", [])]

    def _url(self) -> str | None:
        try:
            return self.client.get_queue_url(QueueName=self.queue)["QueueUrl"]
        except ClientError as error:
            if error.response["Error"]["Code"] in NO_QUEUE:
                return None
            raise


def _read_undelivered(message: Mapping[str, Any]) -> Undelivered:
    attributes = {
        name: str(attribute.get("StringValue", ""))
        for name, attribute in message.get("MessageAttributes", {}).items()
    }
    said = (attributes.get("ERROR_CODE"), attributes.get("ERROR_MESSAGE"))
    return Undelivered(
        schedule=attributes.get("SCHEDULE_ARN", "").rpartition("/")[2],
        reason=": ".join(part for part in said if part) or "no reason was given",
    )


def _object(text: str) -> Mapping[str, Any]:
    try:
        value: Any = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
