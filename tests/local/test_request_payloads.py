"""Queues, payloads and rates of async requests against the emulator's SQS, S3 and DynamoDB."""

import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest

from serval.aws.dynamodb.rate_limits import RateLimitTable
from serval.aws.s3.artifacts import PRESIGNING
from serval.aws.s3.data_bucket import PRESIGNED_SECONDS, DataBucket
from serval.aws.sqs.inbox import QueueInbox
from serval.aws.sqs.queues import (
    ModelQueues,
    QueueCounts,
    SqsCallbackQueue,
    dead_letter,
    message,
)
from serval.errors import RateLimited
from serval.models.resource_names import (
    DEAD,
    callbacks_queue_name,
    dead_letter_queue_name,
    light_queue_name,
    queue_name,
)
from serval.requests.ports import StoredPayload
from serval_cli.local.aws_client import CONFIG, create_session
from tests.fakes.emulator import TABLE
from tests.fakes.requests import START


@pytest.fixture
def sqs(endpoint: str) -> Any:
    return create_session().client("sqs", endpoint_url=endpoint, config=CONFIG)


@pytest.fixture
def queues(sqs: Any) -> Iterator[ModelQueues]:
    """Give the queues of model ``textgen``, empty."""
    made = [
        sqs.create_queue(QueueName=name)["QueueUrl"]
        for name in (
            queue_name("s", "textgen"),
            dead_letter_queue_name("s", "textgen"),
            callbacks_queue_name("s"),
        )
    ]
    yield ModelQueues(sqs, "s")
    for url in made:
        sqs.delete_queue(QueueUrl=url)


@pytest.fixture
def bucket(endpoint: str) -> DataBucket:
    client = create_session().client("s3", endpoint_url=endpoint, config=CONFIG.merge(PRESIGNING))
    client.create_bucket(Bucket="data")
    return DataBucket(client, "data")


def received(sqs: Any, name: str) -> list[str]:
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    bodies: list[str] = []
    while found := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        bodies += [one["Body"] for one in found]
    return bodies


def test_messages_wait_in_the_model_s_queue(queues: ModelQueues, sqs: Any):
    queues.send("textgen", "r0")
    queues.send_all("textgen", [f"r{number}" for number in range(1, 24)])

    assert queues.counts("textgen") == QueueCounts(visible=24, in_flight=0, dead=0)
    bodies = received(sqs, queue_name("s", "textgen"))
    assert sorted(bodies) == sorted(message(f"r{number}", "textgen") for number in range(24))
    assert queues.counts("textgen") == QueueCounts(visible=0, in_flight=24, dead=0)


def test_a_queue_s_url_is_looked_up_once(queues: ModelQueues, sqs: Any):
    asked: list[str] = []
    sqs.meta.events.register(
        "provide-client-params.sqs.GetQueueUrl",
        lambda params, **_: asked.append(params["QueueName"]),
    )

    queues.send("textgen", "r0")
    queues.send_all("textgen", ["r1"])
    queues.dead_letters("textgen")

    assert asked == [queue_name("s", "textgen"), dead_letter_queue_name("s", "textgen")]


def test_dead_letters_are_received_and_deleted(queues: ModelQueues, sqs: Any):
    url = sqs.get_queue_url(QueueName=dead_letter_queue_name("s", "textgen"))["QueueUrl"]
    for body in (message("r1"), dead_letter("textgen", "r2", "out of memory"), "not ours"):
        sqs.send_message(QueueUrl=url, MessageBody=body)
    assert queues.counts("textgen").dead == 3

    letters = queues.dead_letters("textgen")
    for letter in letters:
        queues.delete_dead_letter("textgen", letter)

    known = {letter.request_id: letter.reason for letter in letters}
    assert known == {"r1": "", "r2": "out of memory"}
    left = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert left["ApproximateNumberOfMessages"] == "0"
    assert left["ApproximateNumberOfMessagesNotVisible"] == "1"


def test_dead_letters_that_were_looked_at_are_there_again(queues: ModelQueues, sqs: Any):
    url = sqs.get_queue_url(QueueName=dead_letter_queue_name("s", "textgen"))["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody=dead_letter("textgen", "r1", "out of memory"))

    looked_at = queues.dead_letters("textgen")
    assert queues.dead_letters("textgen") == []
    queues.release_dead_letters("textgen", looked_at)

    assert [letter.request_id for letter in queues.dead_letters("textgen")] == ["r1"]
    queues.release_dead_letters("textgen", [])


def test_models_without_a_fleet_share_queues_that_name_the_model(sqs: Any):
    name = light_queue_name("s")
    made = [sqs.create_queue(QueueName=each)["QueueUrl"] for each in (name, name + DEAD)]
    queues = ModelQueues(sqs, "s", fleet_models=("textgen",))
    queues.send("iris", "r1")
    queues.send_all("digits", ["r2"])
    assert sorted(received(sqs, name)) == [message("r1", "iris"), message("r2", "digits")]

    inbox = QueueInbox(sqs, "s", fleet_models=())
    for number in range(12):
        inbox.dead_letter("digits", f"d{number}", "no")
    inbox.dead_letter("iris", "i1", "no")
    for _ in range(2):
        letters = queues.dead_letters("iris")
        assert [letter.request_id for letter in letters] == ["i1"]
        queues.release_dead_letters("iris", letters)
    assert len(queues.dead_letters("digits")) + len(queues.dead_letters("digits")) == 12
    for url in made:
        sqs.delete_queue(QueueUrl=url)


@pytest.mark.usefixtures("queues")
def test_a_closed_request_waits_for_its_callback(sqs: Any):
    SqsCallbackQueue(sqs, "s").send("r1")

    assert received(sqs, callbacks_queue_name("s")) == [message("r1")]


def test_payloads_read_back_and_change_their_etag(bucket: DataBucket):
    assert bucket.get("async/r1/request") is None
    assert bucket.find("async/r1/request") is None

    bucket.put("async/r1/request", b"first")
    first = bucket.find("async/r1/request")
    bucket.put("async/r1/request", b"other")

    assert bucket.get("async/r1/request") == b"other"
    assert isinstance(first, StoredPayload)
    assert first.size_bytes == 5
    assert '"' not in first.etag
    assert bucket.find("async/r1/request") != first


def test_the_beginning_of_a_payload_is_read(bucket: DataBucket):
    bucket.put("async/r1/1/response", b"0123456789")
    bucket.put("async/r1/2/response", b"")

    assert bucket.beginning("async/r1/1/response", 4) == b"0123"
    assert bucket.beginning("async/r1/1/response", 100) == b"0123456789"
    assert bucket.beginning("async/r1/2/response", 100) == b""


def test_a_missing_bucket_is_an_error(bucket: DataBucket):
    lost = DataBucket(bucket.client, "nowhere")

    with pytest.raises(bucket.client.exceptions.NoSuchBucket):
        lost.get("async/r1/request")


@pytest.mark.parametrize(
    ("header_length", "content_type"), [(None, "application/json"), (7, "application/octet-stream")]
)
def test_a_presigned_url_reads_a_result_for_an_hour(
    bucket: DataBucket, header_length: int | None, content_type: str
):
    bucket.put("async/r1/1/response", b"result")

    url = bucket.presign_read("async/r1/1/response", header_length)

    with urllib.request.urlopen(url, timeout=10) as answer:
        assert answer.read() == b"result"
        assert answer.headers["Content-Type"] == content_type
    query = parse_qs(urlsplit(url).query)
    assert query["X-Amz-Expires"] == [str(PRESIGNED_SECONDS)]


def test_a_presigned_url_writes_a_request(bucket: DataBucket):
    url = bucket.presign_write("async/r1/request", 5)

    write = urllib.request.Request(url, b"five!", {"Content-Type": "text/plain"}, method="PUT")
    urllib.request.urlopen(write, timeout=10).close()

    assert bucket.get("async/r1/request") == b"five!"


def test_what_may_be_written_is_signed_with_its_size_and_its_region():
    # The emulator verifies no signature; so the URL itself is looked at.
    client = boto3.Session("test", "test", region_name="eu-central-1").client(
        "s3", config=PRESIGNING
    )

    url = urlsplit(DataBucket(client, "data").presign_write("async/r1/request", 5))

    assert url.netloc == "data.s3.eu-central-1.amazonaws.com"
    query = parse_qs(url.query)
    assert query["X-Amz-SignedHeaders"] == ["content-length;host"]
    assert "eu-central-1" in query["X-Amz-Credential"][0]


def allowed(limits: RateLimitTable, key: str, limit: int) -> bool:
    try:
        limits.take(key, limit)
    except RateLimited:
        return False
    return True


def test_an_api_key_may_submit_so_much_a_minute(dynamodb: Any):
    now = [START + timedelta(seconds=18)]
    limits = RateLimitTable(dynamodb.Table(TABLE), lambda: now[0])

    assert [allowed(limits, "a", 3) for _ in range(5)] == [True, True, True, False, False]
    assert allowed(limits, "b", 3)
    assert not allowed(limits, "c", 0)
    with pytest.raises(RateLimited, match="may submit 3 async requests a minute") as raised:
        limits.take("a", 3)
    assert raised.value.retry_seconds == 42
    now[0] += timedelta(seconds=41)
    assert not allowed(limits, "a", 3)
    now[0] += timedelta(seconds=1)
    assert allowed(limits, "a", 3)


def test_kinds_are_counted_apart(dynamodb: Any):
    table, clock = dynamodb.Table(TABLE), lambda: START + timedelta(hours=2)
    requests = RateLimitTable(table, clock)
    jobs = RateLimitTable(table, clock, kind="BATCH", what="start {} batch jobs")

    assert [allowed(limits, "f", 1) for limits in (requests, jobs)] == [True, True]
    with pytest.raises(RateLimited, match="may start 1 batch jobs a minute"):
        jobs.take("f", 1)


def test_many_that_submit_at_once_are_counted_each(dynamodb: Any):
    limits = RateLimitTable(dynamodb.Table(TABLE), lambda: START + timedelta(hours=1))

    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(lambda _: allowed(limits, "d", 5), range(20)))

    assert sum(outcomes) == 5


def test_what_was_counted_is_forgotten(dynamodb: Any):
    table = dynamodb.Table(TABLE)
    RateLimitTable(table, lambda: START + timedelta(seconds=18)).take("e", 1)

    key = {"pk": "KEY#e", "sk": "RATE#2026-11-21T10:15:00.000Z"}
    assert table.get_item(Key=key)["Item"] == {
        **key,
        "count": 1,
        "expires": int((START + timedelta(hours=1)).timestamp()),
    }


def test_an_object_is_kept_anew_unless_it_is_gone(bucket: DataBucket) -> None:
    bucket.put("async/r/request", b"body")
    before = bucket.find("async/r/request")
    assert bucket.renew("async/r/request")
    assert (bucket.find("async/r/request"), bucket.get("async/r/request")) == (before, b"body")
    assert not bucket.renew("async/absent/request")
