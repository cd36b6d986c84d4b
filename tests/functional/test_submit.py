"""The ``submit`` function, from API Gateway's events to its replies."""

import gzip
import json
from dataclasses import replace
from typing import Any

import pytest

from serval.access.api_key import hash_api_key
from serval.models.deployed_fleets import LAMBDA
from serval.models.signature import Signature, TensorSpec
from serval.protocol.limits import HANDLER_BODY_BYTES
from serval.requests.request import INLINE_BYTES
from tests.fakes.handlers import imported, recorded
from tests.fakes.submission import (
    ENVIRONMENT,
    HOST,
    KEY,
    Bench,
    answered,
    binary_request,
    bodies_request,
    call,
    inference_request,
    refusal,
    result,
)


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize(
    ("event", "status"),
    [("submit", 202), ("submit_put", 202), ("submit_upload", 201), ("submit_retry", 404)],
)
def test_the_handler_answers_recorded_events(
    event: str, status: int, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = imported("submit", ENVIRONMENT, bench.submit, monkeypatch).handler
    answered(handler(recorded(event), None), status)


def test_a_submit_is_accepted_with_where_to_look_and_when(bench: Bench) -> None:
    reply = bench.submit.reply(call("submit"))

    document = answered(reply, 202)
    row = bench.row
    assert document["id"] == row.id
    assert (document["status"], document["model"], document["version"]) == (
        "queued",
        "textgen",
        None,
    )
    assert reply["headers"]["retry-after"] == "1"
    assert reply["headers"]["location"] == f"https://{HOST}/async/requests/{row.id}"
    assert json.loads(row.payload or b"") == inference_request()
    assert (row.fleet, row.submitter) == ("gpu", hash_api_key(KEY))
    assert bench.queue.sent == {"textgen": [row.id]}
    assert bench.woken.asked == ["gpu"]


def test_below_a_path_of_its_own_the_location_is_relative(bench: Bench) -> None:
    for path, ups in [
        ("/async/models/textgen/infer", "../../../"),
        ("/async/models/textgen/versions/1/infer", "../../../../../"),
        ("/async/models/textgen/infer/", "../../../../"),
    ]:
        reply = bench.submit.reply(call("submit", path, host="127.0.0.1:4600"))
        document = answered(reply, 202)
        assert reply["headers"]["location"] == f"{ups}async/requests/{document['id']}"


def test_a_stage_s_name_before_the_path_is_kept_in_the_location(bench: Bench) -> None:
    given = call("submit", "/prod/async/models/textgen/infer")
    given["requestContext"]["stage"] = "prod"
    reply = bench.submit.reply(given)
    row = bench.row
    assert reply["headers"]["location"] == f"https://{HOST}/prod/async/requests/{row.id}"


def test_what_does_not_fit_the_row_lies_in_the_data_bucket(bench: Bench) -> None:
    small = inference_request("x" * 1500)
    large = inference_request("x" * 2000)
    assert len(json.dumps(small)) <= INLINE_BYTES < len(json.dumps(large))
    first = answered(bench.submit.reply(call("submit", body=small)), 202)["id"]
    second = answered(bench.submit.reply(call("submit", body=large)), 202)["id"]

    rows = bench.store.rows
    assert (rows[first].payload_key, len(rows[first].payload or b"")) == (
        None,
        len(json.dumps(small)),
    )
    key = rows[second].payload_key or ""
    assert key.startswith(f"async/{second}/request")
    assert rows[second].payload is None
    assert json.loads(bench.payloads.objects[key]) == large


def test_bodies_are_stored_as_they_were_before_they_travelled(bench: Bench) -> None:
    body, length = binary_request()
    answered(
        bench.submit.reply(call("submit", body=body, inference_header_content_length=str(length))),
        202,
    )
    assert (bench.row.payload, bench.row.header_length) == (body, length)
    bench.store.rows.clear()

    packed = gzip.compress(json.dumps(inference_request()).encode())
    answered(bench.submit.reply(call("submit", body=packed, content_encoding="gzip")), 202)
    assert json.loads(bench.row.payload or b"") == inference_request()


def test_version_and_affinity_are_what_the_headers_say(bench: Bench) -> None:
    bench.publish("2", keep_days=3, max_attempts=5)
    given = call("submit", serval_model_version="2", serval_affinity="player-7")
    assert answered(bench.submit.reply(given), 202)["version"] == "2"
    row = bench.row
    assert (row.wanted, row.affinity, row.keep_days, row.max_attempts) == ("2", "player-7", 3, 5)


def test_a_version_in_the_path_goes_before_the_header(bench: Bench) -> None:
    bench.publish("2")
    path = "/async/models/textgen/versions/1/infer"
    answered(bench.submit.reply(call("submit", path, serval_model_version="2")), 202)
    assert bench.row.wanted == "1"


@pytest.mark.parametrize(
    ("given", "status", "message"),
    [
        (call("submit", key=None), 401, "no API key"),
        (call("submit", key="srv_unknown"), 401, "unknown or revoked"),
        (call("submit", key="srv_iris"), 403, "no scope for model 'textgen'"),
        (call("submit", "/async/models/absent/infer"), 404, "'absent' is not registered"),
        (
            call("submit", "/async/models/textgen/versions/7/infer"),
            404,
            "model 'textgen' has no version '7'",
        ),
        (call("submit", "/async/models/textgen/versions/x/infer"), 404, "no version 'x'"),
        (call("submit", "/async/models/textgen"), 404, "no route POST /async/models/textgen"),
        (call("submit", body=""), 400, "the body is empty"),
        (call("submit", body="{"), 400, "not valid JSON"),
        (call("submit", body='{"inputs": "\ud800"}'), 400, "it is not UTF-8"),
        (call("submit", body=b"\x1f\x8bx", content_encoding="gzip"), 400, "is cut short"),
        (
            call("submit", body={"inputs": [{**inference_request()["inputs"][0], "name": "x"}]}),
            400,
            "input 'x' is unknown: the model takes prompt",
        ),
        (
            call("submit", body={"inputs": [{**inference_request()["inputs"][0], "shape": [10]}]}),
            400,
            "tensor 'prompt': shape [10] given, [-1, -1] expected",
        ),
        (
            call("submit", body=inference_request(outputs=[{"name": "y"}])),
            400,
            "output 'y' is unknown",
        ),
        (
            call("submit", inference_header_content_length="9999"),
            400,
            "Inference-Header-Content-Length is 9999, but the body has 126 bytes",
        ),
        (call("submit", serval_callback_url="http://a.example"), 400, "an https URL expected"),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_refused_at_the_door(
    given: dict[str, Any], status: int, message: str, bench: Bench
) -> None:
    bench.grant("srv_iris", "iris")
    assert message in refusal(bench.submit.reply(given), status)
    assert bench.store.rows == {}
    assert bench.queue.sent == {}


@pytest.mark.parametrize(
    ("body", "limit"), [("x" * 5_500_001, 5_500_000), (b"x" * 4_400_100, 4_400_000)]
)
def test_what_is_over_the_api_s_limit_is_told_of_uploads(
    body: Any, limit: int, bench: Bench
) -> None:
    message = refusal(bench.submit.reply(call("submit", body=body)), 413)
    assert f"at most {limit} allowed" in message
    assert "presigned upload: POST /async/models/{model}/uploads" in message


def test_the_signature_is_that_of_the_version_that_is_asked_for(bench: Bench) -> None:
    other = Signature((TensorSpec("text", "BYTES", (-1,)),), (TensorSpec("y", "BYTES", (-1,)),))
    bench.publish("2", other)
    asked = call("submit", "/async/models/textgen/versions/2/infer")
    assert "input 'prompt' is unknown" in refusal(bench.submit.reply(asked), 400)
    answered(bench.submit.reply(call("submit")), 202)


def test_versions_are_read_once(bench: Bench) -> None:
    endpoint = bench.submit
    for _ in range(3):
        answered(endpoint.reply(call("submit")), 202)
    assert bench.edge.reads == ["key and route", "version"]


def test_a_callback_url_comes_in_a_header(bench: Bench) -> None:
    url = "https://shop.example.com/serval?order=1"
    document = answered(bench.submit.reply(call("submit", serval_callback_url=url)), 202)
    assert bench.row.callback_url == url
    assert document["callback"] == {"url": url, "sent": None, "error": None}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/async/requests/r1", '{"model": "iris", "model": "textgen", "upload": true}'),
        ("/async/requests/r1", '{"model": "textgen", "request": {"inputs": [], "inputs": []}}'),
        ("/async/models/textgen/infer", '{"inputs": [], "inputs": []}'),
        ("/async/models/textgen/uploads", '{"size_bytes": 1, "size_bytes": 2}'),
    ],
)
def test_a_member_that_is_there_twice_is_refused(path: str, body: str, bench: Bench) -> None:
    event = "submit_put" if "requests" in path else "submit"
    assert "is there 2 times" in refusal(bench.submit.reply(call(event, path, body)), 400)
    assert not bench.store.rows


def test_bytes_that_came_as_text_are_refused_as_damaged(bench: Bench) -> None:
    text = bytes([0xE9, 0xFF, 0x80, 65, 66]).decode("utf-8", "replace")
    given = call("submit", body=text, inference_header_content_length="0")
    assert "damaged on the way" in refusal(bench.submit.reply(given), 400)


def test_a_model_on_lambda_takes_async_requests_too(bench: Bench) -> None:
    document = answered(bench.submit.reply(call("submit", "/async/models/iris/infer")), 202)
    assert (document["model"], document["status"]) == ("iris", "queued")
    assert bench.row.fleet == LAMBDA
    assert bench.queue.sent == {"iris": [bench.row.id]}
    bench.succeed(bench.row.id, result(model="iris"))
    reply = bench.requests.reply(call("requests_get", f"/async/requests/{bench.row.id}"))
    assert answered(reply, 200)["status"] == "succeeded"


def test_a_handler_on_lambda_takes_async_requests(bench: Bench) -> None:
    record = bench.edge.records["iris", "1"]
    bench.edge.records["iris", "1"] = replace(record, runtime="python")
    assert bench.submit.reply(call("submit", "/async/models/iris/infer"))["statusCode"] == 202
    [row] = bench.store.rows.values()
    assert row.fleet == "lambda"


def bodies_event(*bodies: bytes) -> dict[str, Any]:
    """Give a call with bodies for a handler."""
    body, length = bodies_request(*bodies)
    event = call("submit", "/async/models/iris/infer", gzip.compress(body))
    event["headers"] |= {
        "content-encoding": "gzip",
        "inference-header-content-length": str(length),
    }
    return event


def test_a_body_longer_than_a_handler_on_lambda_gets_is_refused_at_the_door(bench: Bench) -> None:
    most = b"x" * HANDLER_BODY_BYTES
    bench.edge.publish_handler("iris", b"code")
    assert bench.submit.reply(bodies_event(most, b"y"))["statusCode"] == 202
    assert len(bench.store.rows) == 1
    said = refusal(bench.submit.reply(bodies_event(b"y", most + b"x")), 413)
    assert "4194305 bytes, at most 4194304 allowed; run it on a fleet" in said
    assert "POST /async/models/iris/uploads" in said
    assert len(bench.store.rows) == 1
    bench.edge.publish_handler("textgen", b"code")
    event = bodies_event(most + b"x") | {"rawPath": "/async/models/textgen/infer"}
    assert bench.submit.reply(event)["statusCode"] == 202
