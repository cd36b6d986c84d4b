"""What a worker needs of AWS, against an emulator of its own."""

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse

from serval.aws.s3.artifact_downloads import S3ArtifactDownloads
from serval.aws.sqs.inbox import QueueInbox
from serval.aws.sqs.queues import ModelQueues
from serval.aws.sqs.shard_queue import FleetShards
from serval.errors import ArtifactUnavailable
from serval.models.resource_names import dead_letter_queue_name, queue_name, shards_queue_name
from serval.models.storage import version_prefix
from serval.models.version import BundleFile, ModelVersion
from serval.requests.inbox import Message
from serval_cli.local.aws_client import CONFIG, create_session
from tests.fakes.emulator import BUCKET
from tests.fakes.inference import signature, version_record

PART = 2**20


@pytest.fixture
def sqs(endpoint: str) -> Iterator[Any]:
    """Give a client with the queues of two models, empty."""
    client = create_session().client("sqs", endpoint_url=endpoint, config=CONFIG)
    made = [
        client.create_queue(QueueName=name)["QueueUrl"]
        for model in ("textgen", "resnet")
        for name in (queue_name("s", model), dead_letter_queue_name("s", model))
    ]
    made.append(client.create_queue(QueueName=shards_queue_name("s", "gpu"))["QueueUrl"])
    yield client
    for url in made:
        client.delete_queue(QueueUrl=url)


@pytest.fixture
def queues(sqs: Any) -> ModelQueues:
    return ModelQueues(sqs, "s")


@pytest.fixture
def inbox(sqs: Any) -> QueueInbox:
    return QueueInbox(sqs, "s")


@pytest.fixture
def s3(endpoint: str) -> Any:
    return create_session().client("s3", endpoint_url=endpoint, config=CONFIG)


def ids(messages: Any) -> list[str]:
    return sorted(message.request_id for message in messages)


SHARD = {"shard": {"job": "j", "shard": 3}, "model": "textgen", "task_token": "t"}


@pytest.fixture
def shards(sqs: Any) -> FleetShards:
    return FleetShards(sqs, "s", "gpu")


def ask(sqs: Any, body: str = json.dumps(SHARD)) -> None:
    url = sqs.get_queue_url(QueueName=shards_queue_name("s", "gpu"))["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody=body)


def test_a_shard_is_one_worker_s_at_a_time_and_its_receipts_are_counted(
    sqs: Any, shards: FleetShards
) -> None:
    ask(sqs)
    first = shards.receive(0, 60)
    assert first is not None
    assert (first.body, first.receipts) == (SHARD, 1)
    assert shards.receive(0, 60) is None

    shards.hide(first, 0)
    again = shards.receive(0, 60)
    assert again is not None
    assert again.receipts == 2

    shards.delete(again)
    shards.delete(again)
    shards.hide(again, 60)
    assert shards.receive(0, 60) is None


def test_a_shard_that_is_given_back_is_as_new(sqs: Any, shards: FleetShards) -> None:
    ask(sqs)
    first = shards.receive(0, 60)
    assert first is not None

    shards.give_back(first, 0)

    again = shards.receive(0, 60)
    assert again is not None
    assert (again.body, again.receipts) == (SHARD, 1)
    assert shards.receive(0, 60) is None
    shards.give_back(again, 900)
    assert shards.receive(0, 60) is None


def test_a_message_that_is_none_of_ours_is_told_apart(sqs: Any, shards: FleetShards) -> None:
    ask(sqs, "what?")
    found = shards.receive(0, 60)
    assert found is not None
    assert found.body is None


def test_a_message_is_one_receiver_s_until_it_is_seen_again(inbox: QueueInbox, queues: ModelQueues):
    queues.send("textgen", "r1")

    (first,) = inbox.receive("textgen", 10, 0, 60)
    assert (first.model, first.request_id) == ("textgen", "r1")
    assert inbox.receive("textgen", 10, 0, 60) == []
    inbox.hide([first], 0)
    (again,) = inbox.receive("textgen", 10, 0, 60)

    assert again.request_id == "r1"
    assert again.receipt != first.receipt


def test_a_message_is_seen_again_when_nobody_extends_it(inbox: QueueInbox, queues: ModelQueues):
    queues.send("textgen", "r1")
    inbox.receive("textgen", 1, 0, 1)

    assert ids(inbox.receive("textgen", 1, 10, 60)) == ["r1"]


def test_a_held_message_stays_hidden(inbox: QueueInbox, queues: ModelQueues):
    queues.send_all("textgen", ["r1", "r2"])
    held = inbox.receive("textgen", 2, 0, 1)
    inbox.hide([message for message in held if message.request_id == "r1"], 60)

    assert ids(inbox.receive("textgen", 10, 10, 60)) == ["r2"]
    assert inbox.receive("textgen", 10, 0, 60) == []


def test_no_more_are_taken_than_are_wanted(inbox: QueueInbox, queues: ModelQueues):
    queues.send_all("textgen", [f"r{number}" for number in range(12)])

    taken = [len(inbox.receive("textgen", most, 0, 60)) for most in (3, 10, 10)]

    assert taken == [3, 9, 0]


def test_a_worker_waits_for_the_first_message(inbox: QueueInbox, queues: ModelQueues):
    timer = threading.Timer(0.3, queues.send, ("textgen", "r1"))
    timer.start()

    assert ids(inbox.receive("textgen", 10, 20, 60)) == ["r1"]
    timer.join()


def test_many_messages_of_several_models_are_deleted(inbox: QueueInbox, queues: ModelQueues):
    expected = [f"r{number}" for number in range(12)]
    queues.send_all("textgen", expected)
    queues.send("resnet", "q1")
    held = [
        message
        for model in ("textgen", "textgen", "resnet")
        for message in inbox.receive(model, 10, 0, 60)
    ]
    assert ids(held) == sorted([*expected, "q1"])

    inbox.delete(held)
    inbox.hide(held, 0)

    assert queues.counts("textgen") == queues.counts("resnet")
    assert queues.counts("textgen").visible == queues.counts("textgen").in_flight == 0


def test_what_is_gone_is_left_alone(inbox: QueueInbox, queues: ModelQueues):
    queues.send_all("textgen", ["r1", "r2"])
    held = sorted(inbox.receive("textgen", 2, 0, 60), key=lambda message: message.request_id)
    inbox.delete(held[:1])
    lost = Message("textgen", "r9", "no receipt at all")

    inbox.hide([held[0], lost, held[1]], 0)
    inbox.delete([held[0], lost])

    assert ids(inbox.receive("textgen", 10, 0, 60)) == ["r2"]


def test_nothing_is_asked_for_no_message(inbox: QueueInbox):
    inbox.hide([], 0)
    inbox.delete([])


def test_a_message_that_is_none_of_ours_has_no_id(inbox: QueueInbox, sqs: Any):
    url = sqs.get_queue_url(QueueName=queue_name("s", "textgen"))["QueueUrl"]
    for body in ("not JSON", "[]", '{"id": 7}'):
        sqs.send_message(QueueUrl=url, MessageBody=body)

    assert ids(inbox.receive("textgen", 10, 0, 60)) == ["", "", ""]


def test_a_dead_letter_says_why_and_can_be_sent_again(
    inbox: QueueInbox, queues: ModelQueues, sqs: Any
):
    inbox.dead_letter("textgen", "r1", "out of memory\n" * 1000)

    (letter,) = queues.dead_letters("textgen")
    assert letter.request_id == "r1"
    assert letter.reason.startswith("out of memory\nout")
    assert len(letter.reason) == 1000
    url = sqs.get_queue_url(QueueName=queue_name("s", "textgen"))["QueueUrl"]
    dead = sqs.get_queue_url(QueueName=dead_letter_queue_name("s", "textgen"))["QueueUrl"]
    sqs.change_message_visibility(QueueUrl=dead, ReceiptHandle=letter.receipt, VisibilityTimeout=0)
    (moved,) = sqs.receive_message(QueueUrl=dead)["Messages"]
    sqs.send_message(QueueUrl=url, MessageBody=moved["Body"])
    assert ids(inbox.receive("textgen", 10, 0, 60)) == ["r1"]


def record(body: bytes, path: str = "model.onnx") -> ModelVersion:
    plain = version_record("textgen", "3", body, signature("FP32", (-1, 2)))
    return replace(plain, files=(BundleFile(path, sha256(body).hexdigest(), len(body)),))


def publish(s3: Any, body: bytes, path: str = "model.onnx") -> None:
    s3.put_object(Bucket=BUCKET, Key=version_prefix("textgen", "3") + path, Body=body)


@pytest.mark.parametrize(
    "size", [0, 1, PART, 5 * PART + 3], ids=["empty", "a byte", "a part", "many parts"]
)
def test_an_artifact_arrives_as_it_was_published(s3: Any, tmp_path: Path, size: int):
    body = os.urandom(size)
    publish(s3, body, "weights/ä 1.bin")
    store = S3ArtifactDownloads(s3, BUCKET, part_bytes=PART)

    store.fetch(record(body, "weights/ä 1.bin"), "weights/ä 1.bin", tmp_path / "weights")

    assert (tmp_path / "weights").read_bytes() == body
    assert [path.name for path in tmp_path.iterdir()] == ["weights"]


def test_a_large_artifact_comes_in_parts(s3: Any, tmp_path: Path):
    body = os.urandom(3 * PART)
    publish(s3, body)
    ranges: list[str] = []
    s3.meta.events.register(
        "before-send.s3.GetObject",
        lambda request, **_: ranges.append(str(request.headers.get("Range"))),
    )

    S3ArtifactDownloads(s3, BUCKET, part_bytes=PART).fetch(
        record(body), "model.onnx", tmp_path / "m"
    )

    assert len(ranges) == 3
    assert all("bytes=" in asked for asked in ranges)


def test_other_bytes_are_never_given(s3: Any, tmp_path: Path):
    publish(s3, b"other")

    with pytest.raises(ArtifactUnavailable, match="published was") as raised:
        S3ArtifactDownloads(s3, BUCKET).fetch(record(b"bytes"), "model.onnx", tmp_path / "m")

    assert raised.value.lost
    assert not (tmp_path / "m").exists()


def test_an_artifact_that_is_gone_is_lost(s3: Any, tmp_path: Path):
    with pytest.raises(ArtifactUnavailable, match="404") as raised:
        S3ArtifactDownloads(s3, BUCKET).fetch(record(b"", "gone.onnx"), "gone.onnx", tmp_path / "m")

    assert raised.value.lost


class Nothing:
    """An empty body."""

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        return iter(())


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_store_that_does_not_answer_has_lost_nothing(s3: Any, tmp_path: Path, status: int):
    publish(s3, b"body")
    s3.meta.events.register(
        "before-send.s3.GetObject",
        lambda request, **_: AWSResponse(request.url, status, {}, Nothing()),
    )

    with pytest.raises(ArtifactUnavailable) as raised:
        S3ArtifactDownloads(s3, BUCKET).fetch(record(b"body"), "model.onnx", tmp_path / "m")

    assert not raised.value.lost


def test_a_store_that_is_not_there_has_lost_nothing(tmp_path: Path):
    nowhere = create_session().client("s3", endpoint_url="http://127.0.0.1:1", config=CONFIG)

    with pytest.raises(ArtifactUnavailable, match="endpoint URL") as raised:
        S3ArtifactDownloads(nowhere, BUCKET).fetch(record(b"x"), "model.onnx", tmp_path / "m")

    assert not raised.value.lost
