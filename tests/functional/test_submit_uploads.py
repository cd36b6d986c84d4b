"""Requests that were uploaded before they are submitted."""

import json
from typing import Any

import pytest

from serval.access.api_key import hash_api_key
from serval.protocol.limits import HANDLER_BODY_BYTES, MOST_JSON_BYTES
from serval.requests.ids import row_id
from serval.requests.request import upload_key
from tests.fakes.submission import (
    KEY,
    Bench,
    answered,
    binary_request,
    bodies_request,
    call,
    put,
    refusal,
)


@pytest.fixture
def bench() -> Bench:
    return Bench()


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
        (
            call("submit_upload", "/async/models/textgen/versions/9/uploads"),
            404,
            "has no version '9'",
        ),
        (call("submit_upload", body={"size": 1}), 400, 'the body needs {"size_bytes": …}'),
        (call("submit_upload", body="["), 400, "not valid JSON"),
        (call("submit_upload", body={"size_bytes": 0}), 400, "parameter 'size_bytes': 0 given"),
        (call("submit_upload", body={"size_bytes": True}), 400, "true given, a whole number"),
        (
            call("submit_upload", body={"size_bytes": 1_000_000_001}),
            400,
            "1000000001 given, a whole number of bytes up to 1000000000 (send fewer rows, or start",
        ),
        (
            call("submit_upload", "/async/models/iris/uploads", {"size_bytes": 400_000_001}),
            400,
            "400000001 given, a whole number of bytes up to 400000000 (send fewer rows, or start",
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


MOST = b"x" * HANDLER_BODY_BYTES


def of_text(*bodies: bytes) -> tuple[bytes, None]:
    """Give a request of bodies for a handler, as JSON alone."""
    data = [body.decode() for body in bodies]
    tensor = {"name": "body", "datatype": "BYTES", "shape": [len(data)], "data": data}
    return json.dumps({"inputs": [tensor]}).encode(), None


@pytest.mark.parametrize(
    ("upload", "said"),
    [
        (bodies_request(MOST + b"x"), "a body for the handler of model 'iris', which runs on"),
        (bodies_request(MOST * 2, MOST), "the mean of 2 bodies for the handler of model 'iris'"),
        (of_text(MOST + b"x"), "Lambda: 4194305 bytes, at most 4194304 allowed"),
        ((MOST + b"x", 0), "run it on a fleet, where a request may be an upload of 1 GB"),
    ],
)  # fmt: skip
def test_an_upload_with_a_body_longer_than_a_handler_on_lambda_gets_is_refused_when_submitted(
    upload: tuple[bytes, int | None], said: str, bench: Bench
) -> None:
    bench.edge.publish_handler("iris", b"code")
    body, length = upload
    bench.upload("r", body, model="iris")
    asked = {"model": "iris", "upload": True, "inference_header_content_length": length}
    message = refusal(bench.submit.reply(put("r", asked)), 413)
    assert said in message
    assert "at most 4194304 allowed; run it on a fleet" in message
    assert bench.store.rows == {}


@pytest.mark.parametrize(
    "upload",
    [
        bodies_request(MOST, MOST, MOST),
        bodies_request(MOST + b"x", b"y"),  # its length is found when it runs
        bodies_request(MOST),
        of_text(MOST, MOST),
        (MOST, 0),
    ],
)
def test_an_upload_of_bodies_that_a_handler_on_lambda_may_get_is_taken(
    upload: tuple[bytes, int | None], bench: Bench
) -> None:
    bench.edge.publish_handler("iris", b"code")
    body, length = upload
    bench.upload("r", body, model="iris")
    asked = {"model": "iris", "upload": True, "inference_header_content_length": length}
    answered(bench.submit.reply(put("r", asked)), 202)


def test_nothing_is_read_of_an_upload_that_is_no_longer_than_a_body_or_not_for_lambda(
    bench: Bench,
) -> None:
    bench.edge.publish_handler("iris", b"code")
    bench.edge.publish_handler("textgen", b"code")
    for model, size in (("iris", HANDLER_BODY_BYTES), ("textgen", 2 * HANDLER_BODY_BYTES)):
        key = upload_key(row_id(model, "r"), hash_api_key(KEY))
        bench.payloads.sizes[key] = size  # and no bytes that could be read
        asked = {"model": model, "upload": True, "inference_header_content_length": 100}
        answered(bench.submit.reply(put("r", asked)), 202)
