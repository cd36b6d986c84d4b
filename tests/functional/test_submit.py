"""The ``submit`` function, from API Gateway's events to its replies."""

import gzip
import json
import time
from dataclasses import replace
from typing import Any

import pytest

from serval.access.api_key import hash_api_key
from serval.models.route import Route
from serval.models.signature import Signature, TensorSpec
from serval.models.tag import remove_tag
from serval.protocol.limits import MOST_JSON_BYTES
from serval.requests.ids import row_id
from serval.requests.request import INLINE_BYTES
from tests.fakes.handlers import imported, recorded
from tests.fakes.requests import async_request
from tests.fakes.submission import (
    HOST,
    KEY,
    Bench,
    answered,
    binary_request,
    binary_result,
    call,
    inference_request,
    put,
    refusal,
    result,
)

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "id",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "STAGE": "prod",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
    "FLEETS": "{}",
    "REGISTRY_TABLE": "registry",
    "REQUESTS_TABLE": "requests",
    "WAITING_PLACES": "40",
    "DATA_BUCKET": "data",
}
ASKED = {"model": "textgen", "request": inference_request()}


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
            call("submit", "/async/models/iris/infer"),
            404,
            "model 'iris' runs on no fleet, so it has no async requests: it answers at once to "
            "POST /v2/models/iris/infer",
        ),
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


# PUT


def test_a_put_has_the_caller_s_id_and_runs_once(bench: Bench) -> None:
    for _ in range(50):
        reply = bench.submit.reply(put("order-1", ASKED))
        assert answered(reply, 202)["id"] == "order-1"
    location = f"https://{HOST}/async/requests/order-1?model=textgen"
    assert reply["headers"]["location"] == location
    assert bench.row.name == "order-1"
    assert set(bench.queue.sent["textgen"]) == {bench.row.id}


def test_a_put_on_a_queued_request_sends_its_message_again(bench: Bench) -> None:
    answered(bench.submit.reply(put("r", ASKED)), 202)
    bench.queue.sent.clear()
    answered(bench.submit.reply(put("r", ASKED)), 202)
    assert bench.queue.sent == {"textgen": [bench.row.id]}
    assert bench.woken.asked == ["gpu", "gpu"]


def test_a_put_on_a_running_request_gives_it_as_it_is(bench: Bench) -> None:
    answered(bench.submit.reply(put("r", ASKED)), 202)
    bench.begin("r")
    bench.queue.sent.clear()
    document = answered(bench.submit.reply(put("r", ASKED)), 202)
    assert (document["status"], document["attempts"]) == ("running", 1)
    assert bench.queue.sent == {}


def test_a_put_on_a_request_that_is_done_gives_its_result(bench: Bench) -> None:
    answered(bench.submit.reply(put("r", ASKED)), 202)
    bench.succeed("r", result())
    document = answered(bench.submit.reply(put("r", ASKED)), 200)
    assert document["response"] == json.loads(result())


@pytest.mark.parametrize(
    "other",
    [
        {"request": inference_request("something else")},
        {"version": "1"},
        {"callback_url": "https://shop.example.com/"},
    ],
)
def test_another_body_under_the_same_id_is_a_conflict(other: dict[str, Any], bench: Bench) -> None:
    answered(bench.submit.reply(put("r", ASKED)), 202)
    before = bench.row
    message = refusal(bench.submit.reply(put("r", {**ASKED, **other})), 409)
    assert message == (
        "async request 'r': something else was submitted under this id: use another id"
    )
    assert bench.row == before


def test_spaces_and_line_ends_make_no_other_body(bench: Bench) -> None:
    answered(bench.submit.reply(put("r", json.dumps(ASKED, indent=2))), 202)
    answered(bench.submit.reply(put("r", json.dumps(ASKED, separators=(",", ":")))), 202)


def test_a_put_is_repeated_whatever_became_of_the_stable_version(bench: Bench) -> None:
    answered(bench.submit.reply(put("r", ASKED)), 202)
    other = Signature((TensorSpec("text", "BYTES", (-1,)),), (TensorSpec("y", "BYTES", (-1,)),))
    bench.publish("2", other)
    bench.edge.routes["textgen"] = Route("2")
    answered(bench.submit.reply(put("r", ASKED)), 202)


def test_large_puts_that_race_for_an_id_do_not_overwrite_each_other(bench: Bench) -> None:
    """The loser's payload is written after the winner's, as when both found no row."""
    winner = {"model": "textgen", "request": inference_request("a" * 9000)}
    loser = {"model": "textgen", "request": inference_request("b" * 9000)}
    answered(bench.submit.reply(put("r", winner)), 202)
    bench.store.find_all = lambda _: {}  # type: ignore[method-assign]
    refusal(bench.submit.reply(put("r", loser)), 409)

    kept = json.loads(bench.payloads.objects[bench.row.payload_key or ""])
    assert kept == winner["request"]


@pytest.mark.parametrize(
    ("given", "status", "message"),
    [
        (put("r", ASKED, key=None), 401, "no API key"),
        (put("r", "{", key=None), 401, "no API key"),
        (put("r", ASKED, key="srv_iris"), 403, "no scope for model 'textgen'"),
        (put("r", {**ASKED, "model": "iris"}), 404, "model 'iris' runs on no fleet"),
        (put("r", {**ASKED, "model": "absent"}), 404, "'absent' is not registered"),
        (put("r", {**ASKED, "version": "9"}), 404, "has no version '9'"),
        (put("-r", ASKED), 400, "parameter 'id': '-r' given, 1 to 64 letters, digits"),
        (put("r" * 65, ASKED), 400, "parameter 'id'"),
        (put("r%20x", ASKED), 400, "parameter 'id': 'r x' given"),
        (put("r", "[]"), 400, "not an object with a 'model' member"),
        (put("r", "{"), 400, "not valid JSON"),
        (put("r", {"request": inference_request()}), 400, "the body has no 'model'"),
        (put("r", {**ASKED, "model": ["textgen"]}), 400, "parameter 'model': ['textgen'] given"),
        (put("r", {**ASKED, "version": 1}), 400, "parameter 'version': 1 given, a string"),
        (put("r", {**ASKED, "callback": "x"}), 400, "the body has 'callback', one of callback_url"),
        (put("r", {"model": "textgen"}), 400, "needs 'request' (a V2 inference request) or"),
        (put("r", {**ASKED, "upload": True}), 400, "and not both"),
        (put("r", {"model": "textgen", "upload": "yes"}), 400, "'yes' given, true or false"),
        (put("r", {**ASKED, "request": "x"}), 400, "parameter 'request': 'x' given"),
        (put("r", {**ASKED, "request": {}}), 400, "'inputs' is missing"),
        (
            put("r", {**ASKED, "inference_header_content_length": 3}),
            400,
            "none beside 'request', which is JSON expected",
        ),
        (put("r", {**ASKED, "callback_url": "ftp://x"}), 400, "'ftp://x' given, an https URL"),
        (
            put("r", {"model": "textgen", "upload": True}),
            400,
            "parameter 'upload': True given, an upload for 'r' by this key that is complete",
        ),
    ],
)  # fmt: skip
def test_a_put_that_cannot_be_answered_is_refused_at_the_door(
    given: dict[str, Any], status: int, message: str, bench: Bench
) -> None:
    bench.grant("srv_iris", "iris")
    assert message in refusal(bench.submit.reply(given), status)
    assert bench.store.rows == {}


def test_a_model_s_ids_are_none_of_another_s(bench: Bench) -> None:
    bench.publish_vision()
    bench.grant("srv_vision", "vision")
    given = put("r", {**ASKED, "model": "vision"}, key="srv_vision")
    answered(bench.submit.reply(given), 202)
    answered(bench.submit.reply(put("r", ASKED)), 202)
    assert {row.model: row.name for row in bench.store.rows.values()} == {
        "textgen": "r",
        "vision": "r",
    }


def test_an_id_may_have_64_characters(bench: Bench) -> None:
    answered(bench.submit.reply(put("r" * 64, ASKED)), 202)
    assert len(f"{bench.row.id}.{10**9 - 1}") <= 64, "SageMaker takes no longer ids"


def test_a_put_finds_what_an_earlier_serval_stored_under_the_bare_id(bench: Bench) -> None:
    answered(bench.submit.reply(put("r", ASKED)), 202)
    (row,) = bench.store.rows.values()
    bench.store.rows = {"r": replace(row, id="r", chosen=None)}
    assert answered(bench.submit.reply(put("r", ASKED)), 202)["id"] == "r"
    other = {**ASKED, "request": inference_request("something else")}
    assert "something else" in refusal(bench.submit.reply(put("r", other)), 409)
    assert list(bench.store.rows) == ["r"]


def test_a_put_finds_what_an_earlier_serval_stored_without_a_tag(bench: Bench) -> None:
    answered(bench.submit.reply(put("r", ASKED)), 202)
    (row,) = bench.store.rows.values()
    earlier = replace(row, id=remove_tag(row.id))
    bench.store.rows = {earlier.id: earlier}
    assert answered(bench.submit.reply(put("r", ASKED)), 202)["id"] == "r"
    assert list(bench.store.rows) == [earlier.id]


def test_what_an_earlier_serval_stored_for_another_model_is_in_nobody_s_way(bench: Bench) -> None:
    bench.store.create(async_request("r", model="vision", fleet="managed"))
    answered(bench.submit.reply(put("r", ASKED)), 202)
    assert {row.model for row in bench.store.rows.values()} == {"textgen", "vision"}


# Uploads


def test_an_upload_is_submitted_by_its_id(bench: Bench) -> None:
    begun = answered(bench.submit.reply(call("submit_upload")), 201)
    key = f"async/{row_id('textgen', begun['id'])}/upload-{hash_api_key(KEY)[:16]}"
    assert begun == {
        "id": begun["id"],
        "upload_url": f"https://data/{key}?write&size=52428800",
        "method": "PUT",
        "expires_in_seconds": 3600,
        "next": f'PUT /async/requests/{begun["id"]} with {{"model": "textgen", "upload": true}}',
    }
    assert bench.store.rows == {}
    body, length = binary_request()
    bench.payloads.put(key, body)
    asked = {"model": "textgen", "upload": True, "inference_header_content_length": length}

    answered(bench.submit.reply(put(begun["id"], asked)), 202)

    row = bench.row
    assert (row.payload, row.payload_key) == (None, key)
    assert (row.payload_bytes, row.header_length) == (len(body), length)
    answered(bench.submit.reply(put(begun["id"], asked)), 202)


def test_what_one_key_uploaded_no_other_key_can_submit(bench: Bench) -> None:
    begun = answered(bench.submit.reply(call("submit_upload")), 201)
    bench.upload(begun["id"], binary_request()[0])
    bench.grant("srv_other", "textgen")
    asked = {"model": "textgen", "upload": True}
    message = refusal(bench.submit.reply(put(begun["id"], asked, key="srv_other")), 400)
    assert f"an upload for '{begun['id']}' by this key" in message


def test_what_was_uploaded_for_one_model_is_none_of_another_s(bench: Bench) -> None:
    begun = answered(bench.submit.reply(call("submit_upload")), 201)
    bench.upload(begun["id"], binary_request()[0])
    bench.publish_vision()
    asked = {"model": "vision", "upload": True}
    assert "an upload for" in refusal(bench.submit.reply(put(begun["id"], asked)), 400)


def test_asking_for_an_upload_counts(bench: Bench) -> None:
    bench.grant(KEY, rate=2)
    for _ in range(2):
        answered(bench.submit.reply(call("submit_upload")), 201)
    refusal(bench.submit.reply(call("submit_upload")), 429)


def test_another_upload_under_the_same_id_is_a_conflict(bench: Bench) -> None:
    begun = answered(bench.submit.reply(call("submit_upload")), 201)
    asked = {"model": "textgen", "upload": True}
    key = begun["upload_url"].removeprefix("https://data/").partition("?")[0]
    bench.payloads.put(key, b"one")
    answered(bench.submit.reply(put(begun["id"], asked)), 202)
    bench.payloads.put(key, b"two")
    assert "something else" in refusal(bench.submit.reply(put(begun["id"], asked)), 409)


def test_an_upload_for_a_version_says_so_in_what_comes_next(bench: Bench) -> None:
    bench.publish("2")
    path = "/async/models/textgen/versions/2/uploads"
    begun = answered(bench.submit.reply(call("submit_upload", path)), 201)
    assert begun["next"].endswith('with {"model": "textgen", "version": "2", "upload": true}')


@pytest.mark.parametrize(
    ("given", "status", "message"),
    [
        (call("submit_upload", key=None), 401, "no API key"),
        (call("submit_upload", key="srv_iris"), 403, "no scope"),
        (call("submit_upload", "/async/models/iris/uploads"), 404, "runs on no fleet"),
        (
            call("submit_upload", "/async/models/textgen/versions/9/uploads"),
            404,
            "has no version '9'",
        ),
        (call("submit_upload", body={"size": 1}), 400, 'the body needs {"size_bytes": …}'),
        (call("submit_upload", body="["), 400, "not valid JSON"),
        (call("submit_upload", body={"size_bytes": 0}), 400, "parameter 'size_bytes': 0 given"),
        (call("submit_upload", body={"size_bytes": True}), 400, "True given, a whole number"),
        (
            call("submit_upload", body={"size_bytes": 1_000_000_001}),
            400,
            "1000000001 given, a whole number of bytes up to 1000000000 expected",
        ),
    ],
)  # fmt: skip
def test_an_upload_that_could_not_be_submitted_is_refused(
    given: dict[str, Any], status: int, message: str, bench: Bench
) -> None:
    bench.grant("srv_iris", "iris")
    assert message in refusal(bench.submit.reply(given), status)


@pytest.mark.parametrize(
    ("stored", "length", "status", "message"),
    [
        (b"", None, 400, "the upload is empty"),
        (b"abc", 4, 400, "4 given, at most the upload's 3 bytes expected"),
        (b"abc", -1, 400, "-1 given, a whole number of bytes"),
    ],
)
def test_an_upload_that_is_none_is_refused(
    stored: bytes, length: int | None, status: int, message: str, bench: Bench
) -> None:
    bench.upload("r", stored)
    asked = {"model": "textgen", "upload": True, "inference_header_content_length": length}
    assert message in refusal(bench.submit.reply(put("r", asked)), status)
    assert bench.store.rows == {}


# Prefer


def test_a_caller_who_prefers_to_wait_gets_the_result_at_once(bench: Bench) -> None:
    bench.time.meanwhile = lambda: bench.answer_all(result())
    reply = bench.submit.reply(call("submit", prefer="respond-async, wait=10"))
    document = answered(reply, 200)
    assert document["response"] == json.loads(result())
    assert reply["headers"]["preference-applied"] == "wait=10"
    assert "retry-after" not in reply["headers"]
    assert bench.time.naps == [0.02]


def test_a_wait_that_ends_without_a_result_is_a_202(bench: Bench) -> None:
    reply = bench.submit.reply(call("submit", prefer="wait=3"))
    assert answered(reply, 202)["status"] == "queued"
    assert bench.time.seconds == pytest.approx(3)
    assert reply["headers"]["retry-after"] == "1"


def test_nobody_waits_for_more_than_20_seconds(bench: Bench) -> None:
    reply = bench.submit.reply(call("submit", prefer="wait=600"))
    answered(reply, 202)
    assert bench.time.seconds == pytest.approx(20)
    assert reply["headers"]["preference-applied"] == "wait=20"


@pytest.mark.parametrize("prefer", ["respond-async", "wait=soon", "wait=-1", "wait", "wait=0", ""])
def test_a_preference_that_makes_no_sense_is_none(prefer: str, bench: Bench) -> None:
    reply = bench.submit.reply(call("submit", prefer=prefer))
    answered(reply, 202)
    assert bench.time.naps == []
    assert "preference-applied" not in reply["headers"]


def test_a_put_waits_too(bench: Bench) -> None:
    bench.time.meanwhile = lambda: bench.answer_all(result())
    reply = bench.submit.reply(put("r", ASKED, prefer="wait=5"))
    assert answered(reply, 200)["status"] == "succeeded"


def test_a_binary_result_of_a_wait_is_a_url(bench: Bench) -> None:
    body, length = binary_result()

    def work() -> None:
        bench.succeed(bench.row.id, body, length)

    bench.time.meanwhile = work
    document = answered(bench.submit.reply(call("submit", prefer="wait=5")), 200)
    assert document["response_header_length"] == length
    assert document["response_url"].startswith("https://data/async/")
    assert "response" not in document


# Retry


@pytest.mark.parametrize("end", ["failed", "cancelled"])
def test_a_retry_queues_it_again_and_says_so_to_its_fleet(end: str, bench: Bench) -> None:
    answered(bench.submit.reply(put("r", ASKED)), 202)
    if end == "failed":
        bench.fail("r", "no reason")
    else:
        answered(bench.requests.reply(call("requests_cancel", "/async/requests/r")), 200)
    bench.queue.sent.clear()
    bench.woken.asked.clear()

    document = answered(bench.submit.reply(call("submit_retry", "/async/requests/r/retry")), 202)

    assert (document["status"], document["attempts"], document["error"]) == ("queued", 0, None)
    assert bench.queue.sent == {"textgen": [bench.row.id]}
    assert bench.woken.asked == ["gpu"]


def test_a_retry_may_wait_for_the_result(bench: Bench) -> None:
    answered(bench.submit.reply(put("r", ASKED)), 202)
    bench.fail("r", "no reason")
    bench.time.meanwhile = lambda: bench.answer_all(result())
    given = call("submit_retry", "/async/requests/r/retry", prefer="wait=5")
    assert answered(bench.submit.reply(given), 200)["status"] == "succeeded"


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("running", "it is running; only failed or cancelled ones are retried"),
        ("succeeded", "it has succeeded; only failed or cancelled ones are retried"),
    ],
)
def test_what_runs_or_has_succeeded_is_not_retried(state: str, message: str, bench: Bench) -> None:
    answered(bench.submit.reply(put("r", ASKED)), 202)
    if state == "running":
        bench.begin("r")
    else:
        bench.succeed("r", result())
    given = call("submit_retry", "/async/requests/r/retry")
    assert message in refusal(bench.submit.reply(given), 409)


def test_only_those_with_the_model_in_scope_retry(bench: Bench) -> None:
    answered(bench.submit.reply(put("r", ASKED)), 202)
    bench.fail("r", "no reason")
    bench.grant("srv_iris", "iris")
    for path, key in [
        ("/async/requests/r/retry", "srv_iris"),
        ("/async/requests/absent/retry", KEY),
        ("/async/requests/-/retry", KEY),
    ]:
        given = call("submit_retry", path, key=key)
        assert "does not exist, or is not yours" in refusal(bench.submit.reply(given), 404)
    assert bench.row.status == "failed"


# Limits


def test_a_key_submits_as_many_a_minute_as_it_may(bench: Bench) -> None:
    bench.grant("srv_slow", rate=2)
    answered(bench.submit.reply(call("submit", key="srv_slow")), 202)
    answered(bench.submit.reply(put("r", ASKED, key="srv_slow")), 202)
    bench.fail("r", "no reason")
    for given in [
        call("submit", key="srv_slow"),
        put("r", ASKED, key="srv_slow"),
        put("u", {"model": "textgen", "upload": True}, key="srv_slow"),
        call("submit_retry", "/async/requests/r/retry", key="srv_slow"),
        call("submit_upload", key="srv_slow"),
    ]:
        reply = bench.submit.reply(given)
        assert refusal(reply, 429) == (
            "the API key may submit 2 async requests a minute and has: try again in 42 s"
        )
        assert reply["headers"]["retry-after"] == "42"
    given = call("requests_get", "/async/requests/r", key="srv_slow")
    answered(bench.requests.reply(given), 200)


def test_a_retry_keeps_what_was_asked_for_as_long_as_a_new_request_s(bench: Bench) -> None:
    large = {"model": "textgen", "request": inference_request("a" * 9000)}
    answered(bench.submit.reply(put("r", large)), 202)
    bench.fail("r", "no reason")
    given = call("submit_retry", "/async/requests/r/retry")
    answered(bench.submit.reply(given), 202)
    answered(bench.submit.reply(given), 202)
    assert bench.payloads.renewed == [bench.row.payload_key]


def test_a_retry_of_what_has_expired_says_so_at_once(bench: Bench) -> None:
    large = {"model": "textgen", "request": inference_request("a" * 9000)}
    answered(bench.submit.reply(put("r", large)), 202)
    bench.fail("r", "no reason")
    bench.payloads.objects.clear()
    message = refusal(bench.submit.reply(call("submit_retry", "/async/requests/r/retry")), 409)
    assert message == (
        "async request 'r': what was asked has expired, so it cannot be retried: submit it again"
    )
    assert bench.row.status == "failed"


# A stage whose gateway authenticates


def test_the_gateway_s_callers_have_every_model_and_no_rate(bench: Bench) -> None:
    bench.authentication = "gateway"
    answered(bench.submit.reply(call("submit", key=None)), 202)
    assert bench.row.submitter is None
    assert bench.limits.taken == {}
    assert bench.edge.asked == {"textgen"}


def test_the_gateway_s_callers_are_not_called_back(bench: Bench) -> None:
    bench.authentication = "gateway"
    url = "https://shop.example.com/"
    for given in [
        call("submit", key=None, serval_callback_url=url),
        put("r", {**ASKED, "callback_url": url}, key=None),
    ]:
        assert refusal(bench.submit.reply(given), 400) == (
            f"parameter 'callback_url': '{url}' given, none (an API key signs callbacks, and "
            "this stage has the gateway authenticate) expected"
        )
    assert bench.store.rows == {}


def test_a_put_of_a_key_that_has_used_up_its_rate_is_not_even_read(bench: Bench) -> None:
    bench.grant(KEY, rate=1)
    answered(bench.submit.reply(put("r1", ASKED)), 202)
    refusal(bench.submit.reply(put("r2", "{")), 429)
    refusal(bench.submit.reply(call("submit", body="{")), 429)


def test_a_put_with_members_without_end_is_refused_at_once(bench: Bench) -> None:
    endless = {f"k{number}": 0 for number in range(40_000)}
    started = time.process_time()
    message = refusal(bench.submit.reply(put("r1", endless | ASKED)), 400)
    assert time.process_time() - started < 3
    assert message.startswith("an object has 40002 members, at most 1024 allowed")


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


def test_json_that_no_worker_has_memory_for_is_not_submitted_as_an_upload(bench: Bench) -> None:
    begun = answered(bench.submit.reply(call("submit_upload")), 201)
    key = begun["upload_url"].removeprefix("https://data/").partition("?")[0]
    bench.payloads.sizes[key] = MOST_JSON_BYTES + 1
    asked = {"model": "textgen", "upload": True}
    message = refusal(bench.submit.reply(put(begun["id"], asked)), 413)
    assert message.endswith(
        "send binary tensors, send fewer rows, or run a batch job over a file of them"
    )
    framed = asked | {"inference_header_content_length": 0}
    answered(bench.submit.reply(put(begun["id"], framed)), 202)
