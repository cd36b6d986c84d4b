"""Delivering a callback: is it due, whom does it go to, what does the answer mean."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from serval.requests.callbacks.deliver import DeliverCallback
from serval.requests.callbacks.messages import CallbackMessages
from serval.requests.callbacks.post import NoAnswer
from serval.requests.callbacks.sign import signature_headers
from serval.requests.callbacks.throttle import ReceiverThrottle
from serval.requests.callbacks.urls import CallbackUrl
from serval.requests.document import Documents
from serval.requests.request import AsyncRequest
from tests.fakes.requests import (
    InMemoryPayloads,
    InMemoryRequests,
    InMemoryStepRecords,
    RecordedTasks,
    TickingClock,
    async_request,
)
from tests.fakes.submission import SteppingTime, binary_result, result

KEY_HASH = "5b" * 32
URL = "https://shop.example.com/serval"
FINISHED = "2026-11-21T10:16:00.000Z"


@dataclass
class Receiver:
    """``Resolve`` and ``Post``: a receiver as the network shows it."""

    addresses: Sequence[str] | OSError = ("203.0.112.7",)
    status: int | NoAnswer = 200
    seconds: float = 0.0
    """What an answer takes."""
    time: SteppingTime = field(default_factory=SteppingTime)
    posted: list[tuple[CallbackUrl, str, Mapping[str, str], bytes]] = field(default_factory=list)

    def resolve(self, host: str, port: int) -> Sequence[str]:
        if isinstance(self.addresses, OSError):
            raise self.addresses
        return self.addresses

    def post(self, url: CallbackUrl, address: str, headers: Mapping[str, str], body: bytes) -> int:
        self.posted.append((url, address, headers, body))
        self.time.seconds += self.seconds
        if isinstance(self.status, NoAnswer):
            raise self.status
        return self.status


@dataclass
class Bench:
    store: InMemoryRequests = field(default_factory=InMemoryRequests)
    payloads: InMemoryPayloads = field(default_factory=InMemoryPayloads)
    tasks: RecordedTasks = field(default_factory=RecordedTasks)
    receiver: Receiver = field(default_factory=Receiver)
    clock: TickingClock = field(default_factory=TickingClock)
    log: list[str] = field(default_factory=list)
    postponed: list[tuple[str, int]] = field(default_factory=list)
    time: SteppingTime = field(default_factory=SteppingTime)
    patience: ReceiverThrottle = field(init=False)

    def __post_init__(self) -> None:
        self.patience = ReceiverThrottle(self.time)
        self.receiver.time = self.time

    @property
    def delivery(self) -> DeliverCallback:
        return DeliverCallback(
            self.store,
            Documents(self.payloads, InMemoryStepRecords(), 1000),
            self,
            self.log.append,
            self.tasks,
            throttle=self.patience,
            resolve=self.receiver.resolve,
            post=self.receiver.post,
            clock=self.clock,
        )

    def callback_secret(self, key_hash: str) -> bytes:
        return f"secret of {key_hash}".encode()

    def postpone(self, receipt: str, seconds: int) -> None:
        self.postponed.append((receipt, seconds))

    @property
    def row(self) -> AsyncRequest:
        return self.store.rows["r"]


def closed(**members: Any) -> AsyncRequest:
    key = "async/r/1/response"
    plain = {
        "status": "succeeded",
        "version": "1",
        "finished": FINISHED,
        "response_key": key,
        "submitter": KEY_HASH,
        "callback_url": URL,
    }
    return async_request("r", **{**plain, **members})


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.store.create(closed())
    bench.payloads.put("async/r/1/response", result())
    return bench


def test_the_receiver_gets_what_a_caller_would_see_signed(bench: Bench) -> None:
    assert bench.delivery.deliver("r")

    ((url, address, headers, body),) = bench.receiver.posted
    assert (url.host, url.target, address) == ("shop.example.com", "/serval", "203.0.112.7")
    document = json.loads(body)
    assert (document["id"], document["status"]) == ("r", "succeeded")
    assert document["response"] == json.loads(result())
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"].startswith("serval/")
    moment = int(headers["webhook-timestamp"])
    assert abs(moment - bench.clock.now.timestamp()) < 5
    signed = signature_headers(bench.callback_secret(KEY_HASH), headers["webhook-id"], moment, body)
    assert headers["webhook-signature"] == signed["webhook-signature"]


def test_an_accepted_callback_is_noted_and_never_sent_again(bench: Bench) -> None:
    assert bench.delivery.deliver("r")
    assert bench.row.callback_sent is not None
    assert bench.delivery.deliver("r")
    assert len(bench.receiver.posted) == 1


def test_attempts_of_one_end_have_one_id_and_a_new_time(bench: Bench) -> None:
    bench.receiver.status = 503
    for _ in range(2):
        assert not bench.delivery.deliver("r")
        bench.clock.pass_seconds(60)
    first, second = (headers for _, _, headers, _ in bench.receiver.posted)
    assert first["webhook-id"] == second["webhook-id"]
    assert first["webhook-timestamp"] < second["webhook-timestamp"]
    assert first["webhook-signature"] != second["webhook-signature"]


@pytest.mark.parametrize("large", [False, True])
def test_a_result_that_is_large_or_binary_is_a_url(large: bool, bench: Bench) -> None:
    body, length = (b'"' + b"x" * 1001 + b'"', None) if large else binary_result()
    row = closed(response_bytes=len(body), response_header_length=length, revision=0)
    bench.store.rows["r"] = row
    bench.payloads.put("async/r/1/response", body)
    assert bench.delivery.deliver("r")
    document = json.loads(bench.receiver.posted[0][3])
    assert document["response_url"].startswith("https://data/async/r/1/response")
    assert "response" not in document


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_every_end_is_told(status: str, bench: Bench) -> None:
    bench.store.rows["r"] = closed(status=status, response_key=None, error="no reason")
    assert bench.delivery.deliver("r")
    assert json.loads(bench.receiver.posted[0][3])["status"] == status


@pytest.mark.parametrize(
    "row",
    [
        None,
        closed(status="queued", finished=None),
        closed(status="running", finished=None),
        closed(callback_sent=FINISHED),
    ],
)
def test_what_is_not_due_is_not_sent(row: AsyncRequest | None, bench: Bench) -> None:
    bench.store.rows.clear()
    if row is not None:
        bench.store.create(row)
    assert bench.delivery.deliver("r")
    assert bench.receiver.posted == []


@pytest.mark.parametrize("status", [100, 300, 301, 302, 307, 308, 400, 401, 404, 429, 500, 503])
def test_any_other_answer_is_tried_again(status: int, bench: Bench) -> None:
    bench.receiver.status = status
    assert not bench.delivery.deliver("r")
    assert (bench.row.callback_sent, bench.row.callback_error) == (None, f"it answered {status}")
    said = {"level": "WARNING", "request": "r", "callback": f"it answered {status}", "end": False}
    assert json.loads(bench.log[0]) == said


def test_no_answer_is_tried_again_and_then_accepted(bench: Bench) -> None:
    bench.receiver.status = NoAnswer("no answer within 10 s")
    assert not bench.delivery.deliver("r")
    assert bench.row.callback_error == "no answer within 10 s"
    bench.receiver.status = 204
    assert bench.delivery.deliver("r")
    assert bench.row.callback_error is None
    assert bench.row.callback_sent is not None


def test_a_name_that_cannot_be_looked_up_is_tried_again(bench: Bench) -> None:
    bench.receiver.addresses = OSError("Temporary failure in name resolution")
    assert not bench.delivery.deliver("r")
    assert bench.row.callback_error == (
        "shop.example.com cannot be looked up: Temporary failure in name resolution"
    )


def test_a_receiver_that_is_gone_ends_it(bench: Bench) -> None:
    bench.receiver.status = 410
    assert bench.delivery.deliver("r")
    assert bench.row.callback_error == "it answered 410"
    assert not bench.row.callback_due


@pytest.mark.parametrize(
    "addresses",
    [
        ["10.0.0.1"],
        ["127.0.0.1"],
        ["169.254.169.254"],
        ["::ffff:10.0.0.1"],
        ["8.8.8.8", "10.0.0.1"],
    ],
)
def test_an_address_that_is_private_ends_it_before_a_connection_is_made(
    addresses: list[str], bench: Bench
) -> None:
    bench.receiver.addresses = addresses
    assert bench.delivery.deliver("r")
    assert bench.receiver.posted == []
    assert bench.row.callback_error == (
        f"shop.example.com is {addresses[-1]}, which is no address of the public internet"
    )
    assert json.loads(bench.log[0])["end"] is True


def test_a_redirect_to_a_private_address_is_an_answer_like_any_other(bench: Bench) -> None:
    bench.receiver.status = 302
    assert not bench.delivery.deliver("r")
    assert len(bench.receiver.posted) == 1


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({"callback_url": "http://shop.example.com/"}, "an https URL expected"),
        ({"callback_url": "https://u:p@shop.example.com/"}, "a URL without a user name"),
        ({"submitter": None}, "no API key to sign it with"),
    ],
)
def test_a_row_that_could_not_have_been_submitted_ends_it(
    members: dict[str, Any], problem: str, bench: Bench
) -> None:
    bench.store.rows["r"] = closed(**members)
    assert bench.delivery.deliver("r")
    assert problem in (bench.row.callback_error or "")
    assert bench.receiver.posted == []


def test_a_request_that_is_retried_meanwhile_keeps_its_own_callback(bench: Bench) -> None:
    retried = replace(bench.row, status="queued", finished=None, revision=1)
    bench.store.rival = retried
    assert bench.delivery.deliver("r")
    assert bench.row == retried


# Receivers that keep everybody waiting


def test_a_receiver_that_never_answers_is_left_alone_for_a_while(bench: Bench) -> None:
    bench.receiver.status = NoAnswer("no answer within 10 s")
    for _ in range(5):
        assert not bench.delivery.deliver("r")
    assert len(bench.receiver.posted) == 3
    bench.time.seconds += 60
    for _ in range(5):
        assert not bench.delivery.deliver("r")
    assert len(bench.receiver.posted) == 4
    bench.time.seconds += 120
    bench.receiver.status = 200
    assert bench.delivery.deliver("r")


def test_a_callback_that_waits_for_its_receiver_says_so_once(bench: Bench) -> None:
    bench.receiver.status = NoAnswer("no answer")
    bench.store.create(replace(closed(), id="s"))
    for _ in range(3):
        bench.delivery.deliver("r")
    for _ in range(3):
        assert not bench.delivery.deliver("s")
    row = bench.store.rows["s"]
    assert row.callback_error == "it waits: shop.example.com did not answer 3 times in a row"
    assert row.revision == 1
    assert not row.callback_due, "the sweep would send its message again and again"


def test_the_callbacks_of_others_go_on_while_one_key_s_receivers_do_not_answer(
    bench: Bench,
) -> None:
    """Whatever hosts a key names, also somebody else's."""
    bench.receiver.status, bench.receiver.seconds = NoAnswer("no answer within 10 s"), 10
    for number in range(600):
        url = f"https://host{number}.example.com/" if number % 2 else URL
        bench.store.rows["r"] = closed(callback_url=url)
        bench.delivery.deliver("r")
        bench.time.seconds += 1
    lost = 10 * len(bench.receiver.posted)
    assert lost <= 20 + 0.2 * bench.time.seconds + 10
    bench.receiver.status, bench.receiver.seconds = 200, 0
    bench.store.create(replace(closed(submitter="0c" * 32), id="other"))
    assert bench.delivery.deliver("other")
    assert bench.store.rows["other"].callback_sent is not None


def test_answers_that_are_slow_cost_patience_too(bench: Bench) -> None:
    bench.receiver.seconds = 9
    for number in range(10):
        bench.store.create(replace(closed(), id=f"r{number}"))
        bench.delivery.deliver(f"r{number}")
    assert len(bench.receiver.posted) == 3


def test_a_receiver_that_answers_quickly_is_called_as_often_as_need_be(bench: Bench) -> None:
    bench.receiver.seconds = 0.9
    for number in range(100):
        bench.store.create(replace(closed(), id=f"r{number}"))
        assert bench.delivery.deliver(f"r{number}")


# Messages


def record(attempt: int, request_id: str = "r", message: str = "m1") -> dict[str, Any]:
    return {
        "messageId": message,
        "receiptHandle": f"receipt-of-{message}",
        "body": json.dumps({"id": request_id}),
        "attributes": {"ApproximateReceiveCount": str(attempt)},
    }


def test_only_messages_that_have_failed_come_again_each_after_its_pause(bench: Bench) -> None:
    bench.store.create(replace(closed(), id="s", callback_sent=FINISHED))
    bench.receiver.status = 500
    messages = CallbackMessages(bench.delivery, bench)
    event = {"Records": [record(3), record(1, "s", "m2"), record(1, "absent", "m3")]}
    assert messages.reply(event) == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
    assert bench.postponed == [("receipt-of-m1", 20)]


def test_messages_that_are_done_with_are_deleted(bench: Bench) -> None:
    messages = CallbackMessages(bench.delivery, bench)
    assert messages.reply({"Records": [record(1)]}) == {"batchItemFailures": []}
    assert bench.postponed == []


def test_a_task_that_waits_is_ended_with_its_request_and_once(bench: Bench) -> None:
    bench.store.rows["r1"] = async_request("r1", task_token="token")
    assert bench.delivery.register("r1", "newer")
    assert bench.tasks.ended == []
    row = bench.store.rows["r1"]
    bench.store.rows["r1"] = replace(row, status="failed", finished="2026-11-21T10:16:00.000Z")
    assert bench.store.rows["r1"].callback_due
    assert bench.delivery.deliver("r1")
    assert bench.delivery.deliver("r1")
    assert bench.tasks.ended == ["newer"]


def test_a_task_that_comes_after_the_end_of_its_request_is_ended_at_once(bench: Bench) -> None:
    bench.store.rows["r1"] = async_request("r1", status="succeeded", finished="2026")
    assert bench.delivery.register("r1", "late")
    assert bench.delivery.register("gone", "lost")
    assert bench.tasks.ended == ["late", "lost"]
