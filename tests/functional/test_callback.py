"""The ``callback`` function, from SQS's events to what real receivers on loopback are sent."""

import base64
import json
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from serval.access.api_key import first_callback_secret, hash_api_key
from serval.requests.callbacks import post as posting
from serval.requests.callbacks.addresses import resolve
from serval.requests.callbacks.deliver import DeliverCallback
from serval.requests.callbacks.messages import CallbackMessages
from serval.requests.callbacks.sign import signature_headers
from serval.requests.document import Documents
from serval.requests.request import AsyncRequest
from tests.fakes.handlers import Context, imported, recorded
from tests.fakes.receivers import Receiver, certificate, receiving
from tests.fakes.requests import (
    InMemoryPayloads,
    InMemoryRequests,
    InMemoryStepRecords,
    RecordedTasks,
    async_request,
)
from tests.fakes.submission import KEY, result

ENVIRONMENT = {
    "STAGE": "prod",
    "REGISTRY_TABLE": "registry",
    "REQUESTS_TABLE": "requests",
    "DATA_BUCKET": "data",
}
HOST = "shop.example.com"
ID = "order-4711"
"""Of the recorded event."""


@dataclass
class Bench:
    """A closed request, and a function that is to tell of it."""

    store: InMemoryRequests = field(default_factory=InMemoryRequests)
    payloads: InMemoryPayloads = field(default_factory=InMemoryPayloads)
    tasks: RecordedTasks = field(default_factory=RecordedTasks)
    postponed: list[tuple[str, int]] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    local: bool = False
    resolve: Any = resolve

    def close(self, url: str) -> None:
        """Close the request, whose caller wants to be told at a URL."""
        self.payloads.put("response", result())
        self.store.rows[ID] = async_request(
            ID,
            status="succeeded",
            version="1",
            finished="2026-11-21T10:16:00.000Z",
            response_key="response",
            submitter=hash_api_key(KEY),
            callback_url=url,
        )

    def callback_secret(self, key_hash: str) -> bytes:
        return first_callback_secret(key_hash)

    def postpone(self, receipt: str, seconds: int) -> None:
        self.postponed.append((receipt, seconds))

    @property
    def messages(self) -> CallbackMessages:
        documents = Documents(self.payloads, InMemoryStepRecords())
        delivery = DeliverCallback(
            self.store,
            documents,
            self,
            self.log.append,
            self.tasks,
            local=self.local,
            resolve=self.resolve,
        )
        return CallbackMessages(delivery, self)

    @property
    def row(self) -> AsyncRequest:
        return self.store.rows[ID]

    def handle(self) -> list[str]:
        """Give the ids of the recorded event's messages that come again."""
        failed = self.messages.reply(recorded("callback"))["batchItemFailures"]
        return [item["itemIdentifier"] for item in failed]


MESSAGE = recorded("callback")["Records"][0]["messageId"]


def test_the_handler_answers_a_recorded_event(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(local=True)
    with receiving(Receiver()) as receiver:
        bench.close(receiver.url)
        handler = imported("callback", ENVIRONMENT, bench.messages, monkeypatch).handler
        assert handler(recorded("callback"), Context()) == {"batchItemFailures": []}
    (sent,) = receiver.received
    document = json.loads(sent.body)
    assert (document["id"], document["response"]) == (ID, json.loads(result()))
    assert sent.headers["content-type"] == "application/json"
    signed = signature_headers(
        first_callback_secret(hash_api_key(KEY)),
        sent.headers["webhook-id"],
        int(sent.headers["webhook-timestamp"]),
        sent.body,
    )
    assert sent.headers["webhook-signature"] == signed["webhook-signature"]
    assert bench.row.callback_sent is not None


def test_https_goes_to_the_address_that_was_looked_at_and_asks_for_the_host_s_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is resolved once; only what stands for it is called, and proves to be the host."""
    asked: list[str] = []

    def resolved(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"]

    server, trusting = certificate(tmp_path, HOST)
    monkeypatch.setattr(posting, "tls_context", lambda: trusting)
    bench = Bench(local=True, resolve=resolved)
    with receiving(Receiver(200), server) as receiver:
        bench.close(f"https://{HOST}:{receiver.port}/serval")
        assert bench.handle() == []
        bench.close(f"https://other.example.com:{receiver.port}/serval")
        assert bench.handle() == [MESSAGE]
    assert asked == [HOST, "other.example.com"]
    assert len(receiver.received) == 1
    assert "Hostname mismatch" in (bench.row.callback_error or "")


def test_a_certificate_that_nobody_vouches_for_is_no_receiver(tmp_path: Path) -> None:
    server, _ = certificate(tmp_path, HOST)
    bench = Bench(local=True, resolve=lambda *_: ["127.0.0.1"])
    with receiving(Receiver(200), server) as receiver:
        bench.close(f"https://{HOST}:{receiver.port}/")
        assert bench.handle() == [MESSAGE]
    assert receiver.received == []
    assert posting.tls_context().verify_mode is ssl.CERT_REQUIRED


def test_a_receiver_that_fails_is_called_again_later() -> None:
    bench = Bench(local=True)
    with receiving(Receiver(500, body=b"x" * 100_000)) as receiver:
        bench.close(f"http://127.0.0.1:{receiver.port}/")
        assert bench.handle() == [MESSAGE]
        receipt = recorded("callback")["Records"][0]["receiptHandle"]
        assert bench.postponed == [(receipt, 5)]
        receiver.status = 200
        assert bench.handle() == []
    assert bench.row.callback_error is None
    assert [sent.headers["webhook-id"] for sent in receiver.received] == [
        receiver.received[0].headers["webhook-id"]
    ] * 2


def test_a_receiver_that_is_gone_is_called_no_more() -> None:
    bench = Bench(local=True)
    with receiving(Receiver(410)) as receiver:
        bench.close(f"http://127.0.0.1:{receiver.port}/")
        assert bench.handle() == []
    assert bench.row.callback_error == "it answered 410"
    assert bench.postponed == []


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", False),
        ("localhost", False),
        ("2130706433", False),
        ("0x7f.1", False),
        ("[::1]", False),
        ("[::ffff:127.0.0.1]", False),
        ("169.254.169.254", True),
        ("2852039166", True),
        ("10.0.0.1", True),
        ("[fd00:ec2::254]", True),
        ("[64:ff9b::a9fe:a9fe]", True),
    ],
)
def test_no_private_address_is_ever_connected_to(host: str, local: bool) -> None:
    bench = Bench(local=local)
    with receiving(Receiver()) as receiver:
        bench.close(f"https://{host}:{receiver.port}/")
        assert bench.handle() == []
    assert receiver.received == []
    assert "no address of the public internet" in (bench.row.callback_error or "")


def test_a_name_with_one_private_address_among_others_is_not_called() -> None:
    bench = Bench(resolve=lambda *_: ["203.0.112.7", "127.0.0.1"])
    with receiving(Receiver()) as receiver:
        bench.close(f"https://{HOST}:{receiver.port}/")
        assert bench.handle() == []
    assert receiver.received == []
    assert bench.row.callback_error == (
        f"{HOST} is 127.0.0.1, which is no address of the public internet"
    )


def test_a_redirect_leads_nowhere() -> None:
    bench = Bench(local=True)
    with receiving(Receiver()) as inner:
        headers = {"location": f"http://127.0.0.1:{inner.port}/latest/meta-data/"}
        with receiving(Receiver(302, headers)) as receiver:
            bench.close(f"http://127.0.0.1:{receiver.port}/")
            assert bench.handle() == [MESSAGE]
    assert len(receiver.received) == 1
    assert inner.received == []


def test_a_user_and_a_password_in_a_url_are_sent_to_nobody() -> None:
    bench = Bench(local=True)
    with receiving(Receiver()) as receiver:
        bench.close(f"http://user:secret@127.0.0.1:{receiver.port}/")
        assert bench.handle() == []
    assert receiver.received == []


def test_the_secret_is_what_the_caller_computes_from_its_key() -> None:
    bench = Bench(local=True)
    with receiving(Receiver()) as receiver:
        bench.close(f"http://127.0.0.1:{receiver.port}/")
        bench.handle()
    (sent,) = receiver.received
    version, _, signature = sent.headers["webhook-signature"].partition(",")
    assert (version, len(base64.b64decode(signature))) == ("v1", 32)
