"""Calls of SQS about many messages, some of which fail."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from serval.aws.sqs.queue_batches import ATTEMPTS, QueueRefused, call_in_batches
from serval.aws.sqs.queues import ModelQueues, message

BUSY = {"SenderFault": False, "Code": "InternalError", "Message": "try again"}
WRONG = {"SenderFault": True, "Code": "ReceiptHandleIsInvalid"}


@dataclass
class Queue:
    """Stands for a batch call: refuses messages for as long as it is told to."""

    refusals: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)

    def __call__(self, QueueUrl: str, Entries: Any) -> dict[str, Any]:  # noqa: N803
        assert QueueUrl == "https://queue"
        self.calls.append(len(Entries))
        failed = []
        for entry in Entries:
            if refusals := self.refusals.get(entry["body"]):
                failed.append({"Id": entry["Id"], **refusals.pop(0)})
            else:
                self.done.append(entry["body"])
        return {"Failed": failed} if failed else {}

    def get_queue_url(self, QueueName: str) -> dict[str, str]:  # noqa: N803
        return {"QueueUrl": "https://queue"}

    def send_message_batch(self, QueueUrl: str, Entries: Any) -> Any:  # noqa: N803
        return self(
            QueueUrl, [{"Id": entry["Id"], "body": entry["MessageBody"]} for entry in Entries]
        )

    def about(self, *bodies: str) -> Any:
        entries = [{"body": body} for body in bodies]
        return call_in_batches(self, "https://queue", entries, self.pauses.append)


def test_messages_go_ten_at_a_time() -> None:
    queue = Queue()
    bodies = [f"m{number}" for number in range(23)]

    assert queue.about(*bodies) == []

    assert queue.calls == [10, 10, 3]
    assert queue.done == bodies


def test_only_what_failed_is_tried_again_and_ever_later() -> None:
    queue = Queue({"b": [BUSY, BUSY], "c": [BUSY]})

    assert queue.about("a", "b", "c", "d") == []

    assert queue.calls == [4, 2, 1]
    assert sorted(queue.done) == ["a", "b", "c", "d"]
    assert queue.pauses == [0.2, 0.4]


def test_what_never_will_succeed_is_told_and_not_tried_again() -> None:
    queue = Queue({"a": [WRONG], "b": [BUSY, WRONG]})

    faults = queue.about("a", "b", "c")

    assert [fault["Code"] for fault in faults] == ["ReceiptHandleIsInvalid"] * 2
    assert queue.calls == [3, 1]
    assert queue.done == ["c"]


def test_a_queue_that_keeps_failing_is_an_error() -> None:
    queue = Queue({"b": [BUSY] * ATTEMPTS})

    with pytest.raises(QueueRefused, match=r"refused 1 messages.* InternalError: try again$"):
        queue.about("a", "b")
    assert len(queue.calls) == ATTEMPTS


def test_a_message_that_a_queue_does_not_take_is_an_error() -> None:
    queue = Queue({message("r2", "textgen"): [WRONG]})

    with pytest.raises(QueueRefused, match="refused 1 messages"):
        ModelQueues(queue, "s").send_all("textgen", ["r1", "r2", "r3"])  # type: ignore[arg-type]
    assert queue.done == [message("r1", "textgen"), message("r3", "textgen")]
