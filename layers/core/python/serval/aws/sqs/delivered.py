"""Messages about requests as Lambda delivers them, and the reply that says which to deliver again.

A message names its model, since models share the queue.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from serval.aws.sqs.queues import parse
from serval.requests.inbox import Message

Event = Mapping[str, Any]
Reply = dict[str, list[dict[str, str]]]


def reply_to_delivery(
    event: Event, answer: Callable[[Sequence[Message]], Sequence[Message]]
) -> Reply:
    """Pass on the messages of an event of SQS, and name those that are to be delivered again."""
    delivered = {record["messageId"]: read_delivered(record) for record in event["Records"]}
    kept = set(answer(list(delivered.values())))
    failed = [name for name, message in delivered.items() if message in kept]
    return {"batchItemFailures": [{"itemIdentifier": name} for name in failed]}


def read_delivered(record: Event) -> Message:
    """Read one record of an event."""
    said = parse(record["body"])
    return Message(said.model, said.request_id, record["receiptHandle"])
