"""The functions of async requests as they are composed, against an emulator of its own.

A thread stands in for a worker: it receives, waits as long as its model takes, and closes the row.
"""

import importlib
import json
import os
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from serval.aws.dynamodb.api_keys import ApiKeyStore
from serval.aws.dynamodb.fleet_states import FleetTable
from serval.aws.dynamodb.registry import DynamoDBRegistry
from serval.aws.dynamodb.requests import RequestTable
from serval.aws.s3.data_bucket import DataBucket
from serval.aws.sqs.callback_messages import PostponedCallbacks
from serval.clock import utc_now
from serval.models.resource_names import callbacks_queue_name, queue_name, tick_rule_name
from serval.models.route import Route
from serval.requests import lifecycle
from serval.requests.ids import row_id
from serval.requests.request import response_key
from serval_cli.local.aws_client import CONFIG, FOREIGN, create_session, environment
from tests.fakes.emulator import TABLE, emulator
from tests.fakes.inference import version_record
from tests.fakes.receivers import Receiver, receiving
from tests.fakes.requests import FLEETS
from tests.fakes.submission import (
    LEASE,
    TEXTGEN,
    answered,
    binary_request,
    call,
    inference_request,
    put,
    refusal,
    result,
)
from tests.fakes.tables import create_requests_table

STAGE, BUCKET = "s", "data"
ASKED = {"model": "textgen", "request": inference_request()}


@dataclass
class Platform:
    """What the functions find in AWS."""

    url: str
    key: str
    sqs: Any
    store: RequestTable
    payloads: DataBucket
    fleets: FleetTable

    def work(self, stop: threading.Event, seconds: float) -> None:
        """Do what comes, each in so many seconds.

        It looks for messages itself: where a receiver waits, the emulator looks every 100 ms.
        """
        url = self.sqs.get_queue_url(QueueName=queue_name(STAGE, "textgen"))["QueueUrl"]
        while not stop.is_set():
            found = self.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=0)
            for message in found.get("Messages", []):
                self.run(json.loads(message["Body"])["id"], seconds)
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            stop.wait(0.01)

    def run(self, request_id: str, seconds: float) -> None:
        row = self.store.find(request_id)
        if row is None or lifecycle.action_for(row, utc_now()) != "run":
            return
        begun = lifecycle.begin(row, "worker", utc_now(), LEASE)
        assert self.store.save(row, begun)
        time.sleep(seconds)
        running = self.store.find(request_id)
        assert running is not None
        key = response_key(request_id, running.attempt)
        self.payloads.put(key, result())
        done = lifecycle.succeed(running, "1", key, len(result()), None, utc_now())
        assert self.store.save(running, done)


@contextmanager
def working(platform: Platform, seconds: float) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=platform.work, args=(stop, seconds))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with emulator() as running:
        connect = {"endpoint_url": running.url, "config": CONFIG}
        dynamodb: Any = create_session().resource("dynamodb", **connect)
        table = create_requests_table(dynamodb, "requests")
        registry = dynamodb.Table(TABLE)
        text, _ = ApiKeyStore(registry).create("test", ["*"], 100_000)
        DynamoDBRegistry(registry).record(version_record("textgen", "1", b"", TEXTGEN))
        DynamoDBRegistry(registry).set_route("textgen", Route("1"), None)
        s3, sqs = (create_session().client(name, **connect) for name in ("s3", "sqs"))
        s3.create_bucket(Bucket=BUCKET)
        for name in (queue_name(STAGE, "textgen"), callbacks_queue_name(STAGE)):
            sqs.create_queue(QueueName=name)
        create_session().client("events", **connect).put_rule(
            Name=tick_rule_name(STAGE), ScheduleExpression="rate(1 minute)", State="DISABLED"
        )
        yield Platform(
            running.url,
            text,
            sqs,
            RequestTable(table),
            DataBucket(s3, BUCKET),
            FleetTable(registry),
        )


@pytest.fixture
def endpoints(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Give what composes a function from its environment."""
    made = []
    for name in [name for name in os.environ if name.startswith(FOREIGN)]:
        monkeypatch.delenv(name)
    settings = {
        **environment(platform.url, {}),
        "STAGE": STAGE,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "FLEETS": FLEETS.to_text(),
        "REGISTRY_TABLE": TABLE,
        "REQUESTS_TABLE": "requests",
        "WAITING_PLACES": "40",
        "DATA_BUCKET": BUCKET,
        "MACHINES": "rows",
        "CALLBACK_LOCAL": "1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)

    def composed(function: str) -> Any:
        module = importlib.import_module(f"serval.bootstrap.requests.{function}")
        made.append(module.build().use_case)
        return made[-1]

    yield composed
    for endpoint in made:
        if hasattr(endpoint, "admission"):
            endpoint.admission.reader.dynamodb.close()


def test_a_request_goes_through_every_function(platform: Platform, endpoints: Any) -> None:
    submit, requests = endpoints("submit"), endpoints("requests")
    assert platform.fleets.find("gpu").machines == 0
    document = answered(submit.reply(put("all", ASKED, key=platform.key)), 202)
    assert document["status"] == "queued"
    assert platform.fleets.find("gpu").machines == 1
    with working(platform, 0.0):
        given = put("all", ASKED, key=platform.key, prefer="wait=20")
        assert answered(submit.reply(given), 200)["status"] == "succeeded"
    given = call("requests_get", "/async/requests/all", key=platform.key)
    assert answered(requests.reply(given), 200)["response"] == json.loads(result())
    other = put("all", {**ASKED, "version": "1"}, key=platform.key)
    assert "something else" in refusal(submit.reply(other), 409)
    given = call("submit_retry", "/async/requests/all/retry", key=platform.key)
    assert "it has succeeded" in refusal(submit.reply(given), 409)


def test_an_upload_goes_up_and_is_found(platform: Platform, endpoints: Any) -> None:
    submit, requests = endpoints("submit"), endpoints("requests")
    body, length = binary_request("x" * 100_000)
    begun = answered(
        submit.reply(call("submit_upload", body={"size_bytes": len(body)}, key=platform.key)), 201
    )
    sent = urllib.request.Request(begun["upload_url"], body, method="PUT")
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(sent) as reply:
        assert reply.status == 200
    asked = {"model": "textgen", "upload": True, "inference_header_content_length": length}
    answered(submit.reply(put(begun["id"], asked, key=platform.key)), 202)
    row = platform.store.find(row_id("textgen", begun["id"]))
    assert row is not None
    assert platform.payloads.get(row.payload_key or "") == body
    given = call("requests_cancel", f"/async/requests/{begun['id']}", key=platform.key)
    assert answered(requests.reply(given), 200)["status"] == "cancelled"


def test_requests_are_listed_as_their_callers_know_them(platform: Platform, endpoints: Any) -> None:
    submit, requests = endpoints("submit"), endpoints("requests")
    answered(submit.reply(put("listed", ASKED, key=platform.key)), 202)
    unnamed = answered(submit.reply(call("submit", body=ASKED["request"], key=platform.key)), 202)
    names: list[str] = []
    cursor = ""
    while not {"listed", unnamed["id"]} <= set(names):
        query = f"model=textgen&status=queued&limit=1&cursor={cursor}"
        page = answered(requests.reply(call("requests_list", query=query, key=platform.key)), 200)
        names += [row["id"] for row in page["requests"]]
        cursor = page["next"]
    assert names[:2] == [unnamed["id"], "listed"]


def test_fifty_puts_at_once_make_one_row_of_the_body_that_won(
    platform: Platform, endpoints: Any
) -> None:
    """Each from an environment of its own, as Lambda has it; two bodies race for the id."""
    bodies = [{**ASKED, "request": inference_request(text * 4000)} for text in "ab"]
    environments = [endpoints("submit") for _ in range(6)]
    statuses: list[int] = []

    def client(number: int) -> None:
        for turn in range(50 // len(environments) + 1):
            given = put("race", bodies[(number + turn) % 2], key=platform.key)
            statuses.append(environments[number].reply(given)["statusCode"])

    threads = [threading.Thread(target=client, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    row = platform.store.find(row_id("textgen", "race"))
    assert row is not None
    kept = json.loads(platform.payloads.get(row.payload_key or "") or b"")
    won = bodies[0] if kept == bodies[0]["request"] else bodies[1]
    assert kept == won["request"]
    assert set(statuses) == {202, 409}
    for body in bodies:
        expected = 202 if body is won else 409
        given = put("race", body, key=platform.key)
        assert environments[0].reply(given)["statusCode"] == expected


def test_who_asks_a_warm_fleet_waits_for_its_answer(platform: Platform, endpoints: Any) -> None:
    wait = endpoints("wait")
    with working(platform, 0.05):
        replies = [wait.reply(call("wait", key=platform.key)) for _ in range(3)]
    assert [reply["statusCode"] for reply in replies] == [200] * 3


def test_a_key_over_its_rate_is_told_when_to_come_again(platform: Platform, endpoints: Any) -> None:
    registry: Any = create_session().resource("dynamodb", endpoint_url=platform.url, config=CONFIG)
    slow, _ = ApiKeyStore(registry.Table(TABLE)).create("slow", ["*"], 1)
    submit = endpoints("submit")
    replies = [submit.reply(put("slow", ASKED, key=slow)) for _ in range(3)]
    statuses = [reply["statusCode"] for reply in replies]
    assert statuses.count(429) >= 1
    refused = replies[statuses.index(429)]
    assert 1 <= int(refused["headers"]["retry-after"]) <= 60


def test_a_callback_is_sent_once_it_is_accepted(platform: Platform, endpoints: Any) -> None:
    submit, requests, callback = (endpoints(name) for name in ("submit", "requests", "callback"))
    with receiving(Receiver(503)) as receiver:
        url = receiver.url
        answered(submit.reply(put("told", {**ASKED, "callback_url": url}, key=platform.key)), 202)
        given = call("requests_cancel", "/async/requests/told", key=platform.key)
        answered(requests.reply(given), 200)
        message = received(platform)
        event = {"Records": [record(message)]}
        assert callback.reply(event)["batchItemFailures"] == [{"itemIdentifier": "told"}]
        receiver.status = 200
        assert callback.reply(event) == {"batchItemFailures": []}
        assert callback.reply(event) == {"batchItemFailures": []}
    assert len(receiver.received) == 2
    assert json.loads(receiver.received[0].body)["status"] == "cancelled"
    document = answered(
        requests.reply(call("requests_get", "/async/requests/told", key=platform.key)), 200
    )
    assert document["callback"]["sent"] is not None


def received(platform: Platform) -> dict[str, Any]:
    url = platform.sqs.get_queue_url(QueueName=callbacks_queue_name(STAGE))["QueueUrl"]
    found = platform.sqs.receive_message(
        QueueUrl=url, WaitTimeSeconds=5, AttributeNames=["ApproximateReceiveCount"]
    )
    message: dict[str, Any] = found["Messages"][0]
    return message


def record(message: dict[str, Any]) -> dict[str, Any]:
    """Give a message as Lambda's event source mapping does."""
    return {
        "messageId": "told",
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
    }


def test_a_postponed_message_comes_again_when_it_is_due(platform: Platform) -> None:
    url = platform.sqs.get_queue_url(QueueName=callbacks_queue_name(STAGE))["QueueUrl"]
    platform.sqs.purge_queue(QueueUrl=url)
    platform.sqs.send_message(QueueUrl=url, MessageBody='{"id": "later"}')
    first = received(platform)
    PostponedCallbacks(platform.sqs, STAGE).postpone(first["ReceiptHandle"], 1)
    second = received(platform)
    assert second["MessageId"] == first["MessageId"]
    assert second["Attributes"]["ApproximateReceiveCount"] == "2"
