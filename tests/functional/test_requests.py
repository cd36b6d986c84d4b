"""The ``requests`` function, from API Gateway's events to its replies."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.fakes.handlers import imported, recorded
from tests.fakes.requests import async_request
from tests.fakes.submission import (
    KEY,
    Bench,
    answered,
    at,
    binary_result,
    call,
    refusal,
    result,
)

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "id",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "STAGE": "prod",
    "REGISTRY_TABLE": "registry",
    "REQUESTS_TABLE": "requests",
    "DATA_BUCKET": "data",
}
URL = "https://shop.example.com/serval"


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.store.create(async_request("r"))
    return bench


def get(bench: Bench, request_id: str = "r", **more: Any) -> dict[str, Any]:
    reply = bench.requests.reply(call("requests_get", f"/async/requests/{request_id}", **more))
    return answered(reply, 200)


def cancel(bench: Bench, status: int, request_id: str = "r", **more: Any) -> dict[str, Any]:
    given = call("requests_cancel", f"/async/requests/{request_id}", **more)
    return answered(bench.requests.reply(given), status)


@pytest.mark.parametrize("event", ["requests_get", "requests_cancel"])
def test_the_handler_answers_recorded_events(
    event: str, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.store.create(async_request("order-4711"))
    handler = imported("requests", ENVIRONMENT, bench.requests, monkeypatch).handler
    assert answered(handler(recorded(event), None), 200)["id"] == "order-4711"


def test_a_queued_request_has_everything_but_a_result(bench: Bench) -> None:
    reply = bench.requests.reply(call("requests_get", "/async/requests/r"))
    assert answered(reply, 200) == {
        "id": "r",
        "status": "queued",
        "model": "textgen",
        "version": None,
        "attempts": 0,
        "created": "2026-11-21T10:15:00.000Z",
        "started": None,
        "finished": None,
        "error": None,
    }
    assert reply["headers"]["retry-after"] == "1"


def test_a_version_that_was_asked_for_is_shown_before_it_runs(bench: Bench) -> None:
    bench.change("r", replace(bench.row, wanted="3"))
    assert get(bench)["version"] == "3"


def test_a_json_result_is_part_of_the_document(bench: Bench) -> None:
    bench.succeed("r", result())
    reply = bench.requests.reply(call("requests_get", "/async/requests/r"))
    document = answered(reply, 200)
    assert document["response"] == json.loads(result())
    assert (document["status"], document["version"], document["attempts"]) == ("succeeded", "1", 1)
    assert document["finished"] == at(bench)
    assert "retry-after" not in reply["headers"]


@pytest.mark.parametrize(("size", "inline"), [(1_000_000, True), (1_000_001, False)])
def test_a_json_result_over_a_megabyte_is_a_url(size: int, inline: bool, bench: Bench) -> None:
    bench.succeed("r", b'"' + b"x" * (size - 2) + b'"')
    document = get(bench)
    assert ("response" in document) == inline
    assert ("response_url" in document) == (not inline)
    assert "response_header_length" not in document


def test_a_binary_result_is_always_a_url(bench: Bench) -> None:
    body, length = binary_result()
    bench.succeed("r", body, length)
    document = get(bench)
    assert document["response_url"] == f"https://data/async/r/1/response?read&header={length}"
    assert document["response_header_length"] == length
    assert bench.payloads.objects["async/r/1/response"] == body


def test_a_result_that_the_bucket_has_expired_is_a_url_that_says_so(bench: Bench) -> None:
    bench.succeed("r", result())
    bench.payloads.objects.clear()
    assert get(bench)["response_url"].startswith("https://data/async/r/1/response")


def test_a_failure_has_its_reason(bench: Bench) -> None:
    bench.fail("r", "the runtime ran out of memory")
    document = get(bench)
    assert (document["status"], document["error"]) == ("failed", "the runtime ran out of memory")


def test_whoever_is_called_back_sees_what_became_of_it(bench: Bench) -> None:
    bench.change("r", replace(bench.row, callback_url=URL, callback_error="it answered 500"))
    assert get(bench)["callback"] == {"url": URL, "sent": None, "error": "it answered 500"}


@pytest.mark.parametrize(
    ("path", "key", "status", "message"),
    [
        ("/async/requests/r", None, 401, "no API key"),
        ("/async/requests/r", "srv_unknown", 401, "unknown or revoked"),
        ("/async/requests/r", "srv_iris", 404, "'r' does not exist, or is not yours"),
        ("/async/requests/absent", KEY, 404, "'absent' does not exist, or is not yours"),
        ("/async/requests/-", KEY, 404, "'-' does not exist"),
        ("/async/requests/" + "r" * 65, KEY, 404, "does not exist"),
        ("/async/requests", KEY, 404, "no route"),
    ],
)
@pytest.mark.parametrize("event", ["requests_get", "requests_cancel"])
def test_what_a_caller_may_not_see_is_not_there(
    event: str, path: str, key: str | None, status: int, message: str, bench: Bench
) -> None:
    bench.grant("srv_iris", "iris")
    assert message in refusal(bench.requests.reply(call(event, path, key=key)), status)
    assert bench.row.status == "queued"


def test_no_id_that_cannot_be_one_is_looked_for(bench: Bench) -> None:
    def look(request_id: str) -> None:
        raise AssertionError(request_id)

    bench.store.find = look  # type: ignore[method-assign,assignment]
    refusal(bench.requests.reply(call("requests_get", "/async/requests/-")), 404)


def test_what_is_cancelled_before_it_starts_never_runs(bench: Bench) -> None:
    document = cancel(bench, 200)
    assert (document["status"], document["cancel_requested"]) == ("cancelled", True)
    assert document["finished"] == at(bench)
    assert cancel(bench, 200) == document


def test_what_runs_is_asked_to_stop(bench: Bench) -> None:
    bench.begin("r")
    document = cancel(bench, 202)
    assert (document["status"], document["cancel_requested"]) == ("running", True)
    bench.change("r", replace(bench.row, status="cancelled"))
    assert cancel(bench, 200)["status"] == "cancelled"


@pytest.mark.parametrize("end", ["succeeded", "failed"])
def test_what_has_finished_is_not_cancelled(end: str, bench: Bench) -> None:
    if end == "failed":
        bench.fail("r", "no")
    else:
        bench.succeed("r", result())
    reply = bench.requests.reply(call("requests_cancel", "/async/requests/r"))
    assert refusal(reply, 409) == (
        f"async request 'r': it has {end}, so there is nothing to cancel"
    )


def test_a_cancel_that_races_a_worker_is_done_again_on_what_it_left(bench: Bench) -> None:
    bench.store.rival = replace(bench.row, status="running", runner="worker-1", revision=1)
    document = cancel(bench, 202)
    assert (document["status"], document["cancel_requested"]) == ("running", True)


def test_who_wants_to_be_called_back_is_told_of_a_cancel(bench: Bench) -> None:
    bench.change("r", replace(bench.row, callback_url=URL))
    cancel(bench, 200)
    assert bench.called_back.asked == ["r"]


def test_nobody_is_told_of_what_still_runs(bench: Bench) -> None:
    bench.change("r", replace(bench.row, callback_url=URL))
    bench.begin("r")
    cancel(bench, 202)
    assert bench.called_back.asked == []


def test_the_gateway_s_callers_see_every_model_s_requests(bench: Bench) -> None:
    bench.authentication = "gateway"
    assert get(bench, key=None)["id"] == "r"
