"""SQS: calls for up to ten messages, each of which may fail alone."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient

BATCH = 10
"""Messages that one call of SQS takes or gives."""
ATTEMPTS = 6
FIRST_PAUSE_SECONDS = 0.1
Pause = Callable[[float], None]
Entry = Mapping[str, Any]


class QueueRefused(Exception):
    """SQS refused a call for some of its messages."""

    def __init__(self, queue: str, failed: Sequence[Mapping[str, Any]]) -> None:
        first = failed[0]
        super().__init__(
            f"queue {queue} refused {len(failed)} messages, the first of them with "
            f"{first['Code']}: {first.get('Message', '')}"
        )
        self.queue, self.failed = queue, tuple(failed)


@dataclass(frozen=True, slots=True)
class QueueUrls:
    """URLs of queues, each looked up once by name."""

    client: "SQSClient"
    found: dict[str, str] = field(default_factory=dict)

    def of(self, name: str) -> str:
        """Return a queue's URL."""
        if name not in self.found:
            self.found[name] = self.client.get_queue_url(QueueName=name)["QueueUrl"]
        return self.found[name]


def call_in_batches(
    call: Callable[..., Any], queue_url: str, entries: Sequence[Entry], pause: Pause = time.sleep
) -> Sequence[Mapping[str, Any]]:
    """Make a batch call for any number of messages, repeating it for those that failed for now.

    Returns
    -------
    Sequence[Mapping[str, Any]]
        What SQS says of the messages that failed for good.

    Raises
    ------
    QueueRefused
        If SQS fails six times in a row.
    """
    faults: list[Mapping[str, Any]] = []
    for first in range(0, len(entries), BATCH):
        faults += _batch(call, queue_url, entries[first : first + BATCH], pause)
    return faults


def _batch(
    call: Callable[..., Any], queue_url: str, entries: Sequence[Entry], pause: Pause
) -> Sequence[Mapping[str, Any]]:
    faults: list[Mapping[str, Any]] = []
    failed: list[Mapping[str, Any]] = []
    for attempt in range(ATTEMPTS):
        if attempt:
            pause(FIRST_PAUSE_SECONDS * 2**attempt)
        numbered = [{"Id": str(number), **entry} for number, entry in enumerate(entries)]
        said = call(QueueUrl=queue_url, Entries=numbered).get("Failed", [])
        faults += [entry for entry in said if entry["SenderFault"]]
        failed = [entry for entry in said if not entry["SenderFault"]]
        entries = [entries[int(entry["Id"])] for entry in failed]
        if not entries:
            return faults
    raise QueueRefused(queue_url, failed)
