"""The ``wait`` function, from API Gateway's events to its replies."""

import base64
import gzip
import json
from dataclasses import replace
from typing import Any

import pytest

from serval.protocol.content import BINARY_LIMIT_BYTES, JSON_LIMIT_BYTES
from serval.protocol.limits import RequestLimits
from serval.requests.lifecycle import cancel
from serval.requests.settings import WaitSettings
from tests.fakes.handlers import imported, recorded
from tests.fakes.submission import (
    ENVIRONMENT,
    Bench,
    binary_request,
    binary_result,
    call,
    inference_request,
    refusal,
    result,
)


@pytest.fixture
def bench() -> Bench:
    """A fleet that answers within a look."""
    bench = Bench()
    bench.time.meanwhile = lambda: bench.answer_all(result())
    return bench


def test_the_handler_answers_a_recorded_event(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = imported("wait", ENVIRONMENT, bench.wait, monkeypatch).handler
    assert handler(recorded("wait"), None)["statusCode"] == 200


def test_the_answer_is_the_stored_result_with_the_headers_of_an_inference(bench: Bench) -> None:
    reply = bench.wait.reply(call("wait"))
    assert reply == {
        "statusCode": 200,
        "headers": {
            "content-type": "application/json",
            "serval-model-version": "1",
            "server-timing": "queue;dur=1000, infer;dur=1000",
        },
        "body": result().decode(),
        "isBase64Encoded": False,
    }
    assert bench.woken.asked == ["gpu"]
    assert bench.queue.sent == {"textgen": [bench.row.id]}
    assert bench.row.submitter is not None


def test_binary_tensors_stay_binary_both_ways(bench: Bench) -> None:
    body, length = binary_request()
    answer, answer_length = binary_result()
    bench.time.meanwhile = lambda: bench.succeed(bench.row.id, answer, answer_length)
    given = call("wait", body=body, inference_header_content_length=str(length))
    reply = bench.wait.reply(given)
    assert (bench.row.payload, bench.row.header_length) == (body, length)
    assert reply["headers"]["content-type"] == "application/octet-stream"
    assert reply["headers"]["inference-header-content-length"] == str(answer_length)
    assert base64.b64decode(reply["body"]) == answer


def test_a_long_answer_is_compressed_if_the_client_takes_it(bench: Bench) -> None:
    long = result("x" * 1000)
    bench.time.meanwhile = lambda: bench.answer_all(long)
    reply = bench.wait.reply(call("wait", accept_encoding="gzip"))
    assert reply["headers"]["content-encoding"] == "gzip"
    assert gzip.decompress(base64.b64decode(reply["body"])) == long
    assert bench.wait.reply(call("wait"))["body"] == long.decode()


def test_a_version_may_be_named_in_the_path(bench: Bench) -> None:
    bench.publish("2")
    given = call("wait", "/v2/models/textgen/versions/2/infer") | {
        "routeKey": "POST /v2/models/textgen/versions/{version}/infer",
        "pathParameters": {"version": "2"},
    }
    assert bench.wait.reply(given)["statusCode"] == 200
    assert bench.row.wanted == "2"


def test_what_takes_too_long_goes_on_and_is_named(bench: Bench) -> None:
    bench.time.meanwhile = lambda: None
    reply = bench.wait.reply(call("wait"))
    request_id = bench.row.id
    assert refusal(reply, 503) == (
        "model 'textgen' has not answered within 25 s; the work goes on as "
        f"async request '{request_id}': GET /async/requests/{request_id}"
    )
    assert reply["headers"]["retry-after"] == "5"
    assert reply["headers"]["serval-request-id"] == request_id
    assert bench.time.seconds == pytest.approx(25)
    bench.answer_all(result())
    given = call("requests_get", f"/async/requests/{request_id}")
    assert json.loads(bench.requests.reply(given)["body"])["response"] == json.loads(result())


def test_the_time_that_submitting_takes_is_part_of_the_wait(bench: Bench) -> None:
    bench.time.meanwhile = lambda: None
    create = bench.store.create

    def slow(request: Any) -> bool:
        bench.time.seconds += 10
        return create(request)

    bench.store.create = slow  # type: ignore[method-assign]
    refusal(bench.wait.reply(call("wait")), 503)
    assert bench.time.seconds == pytest.approx(25)


def test_a_warm_fleet_s_answer_is_seen_soon(bench: Bench) -> None:
    """While it is young a request is looked at every 20 ms; later after a twentieth of its age."""
    for busy_seconds in (0.0, 0.1, 1.0, 2.0):
        bench.store.rows.clear()
        begun = bench.time.seconds

        def work(ready: float = begun + busy_seconds) -> None:
            if bench.time.seconds >= ready:
                bench.answer_all(result())

        bench.time.meanwhile = work
        assert bench.wait.reply(call("wait"))["statusCode"] == 200
        assert bench.time.seconds - begun - busy_seconds <= 0.1 + 1e-9, busy_seconds


def test_a_failure_is_ours(bench: Bench) -> None:
    bench.time.meanwhile = lambda: bench.fail(bench.row.id, "the runtime ran out of memory")
    message = refusal(bench.wait.reply(call("wait")), 500)
    assert message == f"async request '{bench.row.id}' failed: the runtime ran out of memory"
    assert json.loads(bench.log[0])["error"] == message


def test_what_a_worker_refuses_is_the_caller_s_fault(bench: Bench) -> None:
    reason = "tensor 'prompt': 4096 elements given, at most 1024 expected"
    bench.time.meanwhile = lambda: bench.fail(bench.row.id, reason, refused=True)
    assert refusal(bench.wait.reply(call("wait")), 400) == reason
    assert bench.log == []


def test_a_request_that_is_cancelled_meanwhile_is_no_fault_of_ours(bench: Bench) -> None:
    def stop() -> None:
        bench.change(bench.row.id, cancel(bench.row, bench.clock()))

    bench.time.meanwhile = stop
    message = refusal(bench.wait.reply(call("wait")), 409)
    assert message == f"async request '{bench.row.id}' was cancelled before its result"


def test_a_result_that_does_not_fit_an_answer_is_to_be_had_by_its_request(bench: Bench) -> None:
    bench.time.meanwhile = lambda: bench.answer_all(b'"' + b"x" * 6_000_000 + b'"')
    message = refusal(bench.wait.reply(call("wait")), 413)
    assert message.endswith(f"GET /async/requests/{bench.row.id} gives a URL of it")


def test_a_result_that_is_gone_is_no_answer(bench: Bench) -> None:
    def lose() -> None:
        bench.answer_all(result())
        bench.payloads.objects.clear()

    bench.time.meanwhile = lose
    assert "its result is gone" in refusal(bench.wait.reply(call("wait")), 500)


@pytest.mark.parametrize(
    ("given", "status", "message"),
    [
        (call("wait", key=None), 401, "no API key"),
        (call("wait", key="srv_iris"), 403, "no scope for model 'textgen'"),
        (call("wait", serval_model_version="9"), 404, "has no version '9'"),
        (call("wait", body="{}"), 400, "'inputs' is missing"),
        (call("wait", body=inference_request(outputs=[{"name": "y"}])), 400, "'y' is unknown"),
        (call("wait", body="x" * 5_500_001), 413, "presigned upload"),
        (call("wait", key="srv_slow"), 429, "may submit 1 async requests a minute"),
    ],
)
def test_what_cannot_be_answered_is_refused_at_the_door(
    given: dict[str, Any], status: int, message: str, bench: Bench
) -> None:
    bench.grant("srv_iris", "iris")
    bench.grant("srv_slow", rate=1)
    bench.wait.reply(call("wait", key="srv_slow"))
    before = dict(bench.store.rows)
    assert message in refusal(bench.wait.reply(given), status)
    assert bench.store.rows == before


def test_bytes_that_came_as_text_are_refused_as_damaged(bench: Bench) -> None:
    text = bytes([0xE9, 0xFF, 0x80, 65, 66]).decode("utf-8", "replace")
    given = call("wait", body=text, inference_header_content_length="0")
    assert "damaged on the way" in refusal(bench.wait.reply(given), 400)
    assert not bench.store.rows


def test_no_more_is_taken_than_there_is_memory_for(bench: Bench) -> None:
    limits = RequestLimits.of_memory(24 * 1000)
    small = replace(bench.wait, limits=limits)
    packed = gzip.compress(json.dumps(inference_request("x" * 1000)).encode())
    given = call("wait", body=packed, content_encoding="gzip")
    assert "at most 1000 allowed" in refusal(small.reply(given), 413)


def test_what_the_function_has_memory_for_is_all_that_the_api_takes() -> None:
    settings = WaitSettings.from_environment(ENVIRONMENT | {"AWS_REGION": "eu-central-1"})
    assert settings.limits.json_bytes >= JSON_LIMIT_BYTES
    assert settings.limits.inflated_bytes >= BINARY_LIMIT_BYTES
