"""The loop over Lambda's Runtime API: pieces are sent as they come."""

import base64
import json
import os
import queue
import threading
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest

from serval.aws.runtime_loop import serve_streams
from serval.settings import TRACE_HEADER
from tests.fakes.runtime_api import Outcome, RuntimeApi

WAIT_SECONDS = 10
Pieces = Generator[bytes]


LOOPS: list[threading.Thread] = []


@pytest.fixture
def api() -> Iterator[RuntimeApi]:
    with RuntimeApi() as running_api:
        yield running_api
    while LOOPS:
        LOOPS.pop().join(WAIT_SECONDS)


def serving(api: RuntimeApi, handler: Callable[[Any, Any], Pieces]) -> list[str]:
    """Run the loop beside the test; return what it logs."""
    log: list[str] = []
    loop = threading.Thread(target=serve_streams, args=(api.address, handler, log.append))
    LOOPS.append(loop)
    loop.start()
    return log


def test_a_piece_arrives_before_the_next_is_made(api: RuntimeApi) -> None:
    onwards: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def handler(event: Any, context: Any) -> Pieces:
        yield event["begin"].encode()
        yield b""
        yield onwards.get(timeout=WAIT_SECONDS)

    serving(api, handler)
    api.events.put(json.dumps({"begin": "one"}).encode())
    assert api.pieces.get(timeout=WAIT_SECONDS) == b"one"
    onwards.put(b"two")
    assert api.pieces.get(timeout=WAIT_SECONDS) == b"two"
    outcome = api.outcomes.get(timeout=WAIT_SECONDS)
    assert (outcome.kind, outcome.body) == ("response", b"onetwo")
    headers = outcome.headers
    assert headers["lambda-runtime-function-response-mode"] == "streaming"
    assert headers["content-type"] == "application/vnd.awslambda.http-integration-response"


def test_events_are_answered_one_after_the_other(api: RuntimeApi) -> None:
    def handler(event: Any, context: Any) -> Pieces:
        yield b"%d %d" % (event["number"], len(context.aws_request_id))

    serving(api, handler)
    assert [api.invoke({"number": number}).body for number in (1, 2)] == [b"1 36", b"2 36"]


def test_the_trace_of_an_invocation_is_where_lambdas_own_client_has_it(
    api: RuntimeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TRACE_HEADER, "the last one's")

    def handler(event: Any, context: Any) -> Pieces:
        yield os.environ[TRACE_HEADER].encode()

    serving(api, handler)
    assert api.invoke({}).body == b"Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0"


def test_a_failure_before_the_first_piece_is_an_error_of_the_invocation(api: RuntimeApi) -> None:
    def handler(event: Any, context: Any) -> Pieces:
        yield b"%d" % (1 // event["number"])

    log = serving(api, handler)
    outcome = api.invoke({"number": 0})
    assert outcome.kind == "error"
    assert outcome.reply["errorType"] == "ZeroDivisionError"
    assert "1 // event" in "".join(outcome.reply["stackTrace"]) + log[0]
    assert api.invoke({"number": 1}).body == b"1", "the environment lives on"


def test_a_failure_afterwards_is_told_behind_the_body(api: RuntimeApi) -> None:
    def handler(event: Any, context: Any) -> Pieces:
        yield b"one"
        raise RuntimeError("half way")

    log = serving(api, handler)
    outcome: Outcome = api.invoke({})
    assert outcome.body == b"one"
    assert outcome.headers["lambda-runtime-function-error-type"] == "RuntimeError"
    told = json.loads(base64.b64decode(outcome.headers["lambda-runtime-function-error-body"]))
    assert told["errorMessage"] == "half way"
    assert "half way" in log[0]


def test_nothing_more_is_made_once_nobody_takes_it(api: RuntimeApi) -> None:
    ended = threading.Event()

    def handler(event: Any, context: Any) -> Pieces:
        if "number" in event:
            yield b"next"
            return
        try:
            while True:
                yield bytes(2**20)
        finally:
            ended.set()

    serving(api, handler)
    api.hangs_up = True
    api.events.put(b"{}")
    assert ended.wait(WAIT_SECONDS)
    api.hangs_up = False
    assert api.invoke({"number": 1}).body == b"next"


def test_without_a_runtime_api_nothing_is_done() -> None:
    serve_streams("", lambda event, context: iter(()), print)  # type: ignore[arg-type, return-value]
