"""What the async functions answer and take is what the OpenAPI document says."""

import json
from typing import Any

import jsonschema_rs
import pytest

from serval.openapi.document import document
from serval.openapi.request_schemas import CALLBACK_URL, ID
from serval.requests.document import INLINE_RESULT_BYTES
from serval.requests.submit.put_request import MEMBERS
from serval.requests.submit.uploads import UPLOAD_SECONDS
from tests.fakes.requests import async_request
from tests.fakes.submission import (
    Bench,
    answered,
    binary_result,
    call,
    inference_request,
    put,
    result,
)

WHOLE = document()
ASKED = {"model": "textgen", "request": inference_request()}


def schema_of(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = WHOLE["components"]["schemas"][name]
    return {**schema, "components": WHOLE["components"]}


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.store.create(async_request("r", callback_url="https://a.example/"))
    return bench


@pytest.mark.parametrize("end", ["queued", "running", "json", "binary", "failed", "cancelled"])
def test_a_document_has_the_shape_that_is_promised_however_far_it_is(
    end: str, bench: Bench
) -> None:
    match end:
        case "running":
            bench.begin("r")
        case "json":
            bench.succeed("r", result())
        case "binary":
            bench.succeed("r", *binary_result())
        case "failed":
            bench.fail("r", "no reason")
        case "cancelled":
            bench.requests.reply(call("requests_cancel", "/async/requests/r"))
    found = answered(bench.requests.reply(call("requests_get", "/async/requests/r")), 200)
    jsonschema_rs.validate(schema_of("AsyncRequest"), found)


def test_submits_and_uploads_answer_with_what_is_promised(bench: Bench) -> None:
    found = answered(bench.submit.reply(call("submit")), 202)
    jsonschema_rs.validate(schema_of("AsyncRequest"), found)
    found = answered(bench.submit.reply(put("p", ASKED)), 202)
    jsonschema_rs.validate(schema_of("AsyncRequest"), found)
    found = answered(bench.submit.reply(call("submit_upload")), 201)
    jsonschema_rs.validate(schema_of("Upload"), found)


def test_a_list_has_the_shape_that_is_promised(bench: Bench) -> None:
    bench.store.create(async_request("s"))
    bench.succeed("s", result())
    for query in ("limit=1", "status=succeeded"):
        found = answered(bench.requests.reply(call("requests_list", query=query)), 200)
        jsonschema_rs.validate(schema_of("AsyncRequests"), found)
        assert len(found["requests"]) == 1


@pytest.mark.parametrize(
    ("body", "good"),
    [
        (ASKED, True),
        ({**ASKED, "version": "3", "callback_url": "https://a.example/"}, True),
        ({"model": "textgen", "upload": True}, True),
        ({"model": "textgen", "upload": True, "inference_header_content_length": 3}, True),
        ({**ASKED, "upload": True}, False),
        ({"model": "textgen"}, False),
        ({"request": inference_request()}, False),
        ({**ASKED, "callback": "https://a.example/"}, False),
        ({**ASKED, "version": 3}, False),
    ],
)
def test_what_a_put_may_say_is_what_it_does(body: Any, good: bool, bench: Bench) -> None:
    bench.upload("p", b"abc")
    bench.publish("3")
    assert jsonschema_rs.is_valid(schema_of("PutRequest"), body) == good
    assert (bench.submit.reply(put("p", body))["statusCode"] == 202) == good


def test_names_and_limits_are_those_of_the_code() -> None:
    assert set(WHOLE["components"]["schemas"]["PutRequest"]["properties"]) == MEMBERS
    assert ID["pattern"] == "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
    assert CALLBACK_URL["maxLength"] == 2_000
    upload = WHOLE["components"]["schemas"]["UploadRequest"]["properties"]
    assert upload["size_bytes"]["maximum"] == 1_000_000_000
    assert (INLINE_RESULT_BYTES, UPLOAD_SECONDS) == (1_000_000, 3600)


def test_recorded_events_are_what_the_document_describes() -> None:
    asked = json.loads(call("submit_put")["body"])
    jsonschema_rs.validate(schema_of("PutRequest"), asked)
    asked = json.loads(call("submit_upload")["body"])
    jsonschema_rs.validate(schema_of("UploadRequest"), asked)


def test_no_url_is_promised_for_longer_than_the_session_that_signs_it() -> None:
    schemas = document()["components"]["schemas"]
    upload = schemas["Upload"]["properties"]["expires_in_seconds"]
    result = schemas["AsyncRequest"]["properties"]["response_url"]
    for described in (upload, result):
        assert "at the most" in described["description"].lower()
        assert "session" in described["description"]
