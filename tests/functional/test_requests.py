"""The ``requests`` function, from API Gateway's events to its replies."""

import json
from dataclasses import replace
from typing import Any

import pytest

from serval.models.version import remove_tag
from serval.requests.ids import new_request_id, row_id
from serval.requests.list_requests import Cursor, Position
from tests.fakes.handlers import imported, recorded
from tests.fakes.requests import START, async_request
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
    "FLEETS": "{}",
    "STREAMS_TABLE": "streams",
    "WAITING_PLACES": "40",
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


def named(bench: Bench, name: str, *models: str) -> None:
    """Put a request of each model under one name."""
    for model in models:
        bench.store.create(async_request(row_id(model, name), chosen=name, model=model))


def test_a_request_is_found_by_the_id_that_its_caller_chose(bench: Bench) -> None:
    named(bench, "order-1", "resnet")
    assert get(bench, "order-1") == get(bench, "order-1", query="model=resnet")
    assert get(bench, "order-1")["id"] == "order-1"
    assert cancel(bench, 200, "order-1")["status"] == "cancelled"


def test_of_an_id_that_two_models_have_each_key_finds_its_own(bench: Bench) -> None:
    named(bench, "order-1", "resnet", "textgen")
    bench.grant("srv_resnet", "resnet")
    assert get(bench, "order-1", key="srv_resnet")["model"] == "resnet"


def test_who_may_see_both_of_an_id_is_asked_which(bench: Bench) -> None:
    named(bench, "order-1", "resnet", "textgen")
    given = call("requests_get", "/async/requests/order-1")
    assert refusal(bench.requests.reply(given), 409) == (
        "async request 'order-1': models 'resnet' and 'textgen' have one each: "
        "say which (`?model=`, `--model`)"
    )
    assert get(bench, "order-1", query="model=textgen")["model"] == "textgen"
    cancelled = cancel(bench, 200, "order-1", query="model=resnet")
    assert (cancelled["model"], cancelled["status"]) == ("resnet", "cancelled")
    assert get(bench, "order-1", query="model=textgen")["status"] == "queued"


def test_a_model_that_is_out_of_scope_cannot_be_named(bench: Bench) -> None:
    named(bench, "order-1", "textgen")
    bench.grant("srv_resnet", "resnet")
    for path in ("order-1?model=textgen", "order-1", f"{row_id('textgen', 'order-1')}"):
        name, _, query = path.partition("?")
        given = call("requests_get", f"/async/requests/{name}", key="srv_resnet", query=query)
        refusal(bench.requests.reply(given), 404)


def test_what_an_earlier_serval_stored_without_a_tag_is_found_and_cancelled(bench: Bench) -> None:
    random = remove_tag(new_request_id(START, "textgen"))
    bench.store.create(async_request(random))
    chosen = remove_tag(row_id("textgen", "order-1"))
    bench.store.create(async_request(chosen, chosen="order-1"))
    for name in (random, "order-1"):
        assert get(bench, name)["id"] == name
        assert cancel(bench, 200, name)["status"] == "cancelled"


def test_a_row_s_own_id_is_no_name_of_it(bench: Bench) -> None:
    named(bench, "order-1", "textgen")
    given = call("requests_get", f"/async/requests/{row_id('textgen', 'order-1')}")
    refusal(bench.requests.reply(given), 404)


def test_who_took_an_id_of_an_earlier_serval_is_told_apart_by_its_model(bench: Bench) -> None:
    """The bench's own row is one of an earlier Serval: its id is the one that was chosen."""
    named(bench, "r", "resnet")
    assert get(bench, query="model=textgen")["model"] == "textgen"
    assert get(bench, query="model=resnet")["model"] == "resnet"
    refusal(bench.requests.reply(call("requests_get", "/async/requests/r")), 409)


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
        ("/async/requests/absent", KEY, 404, "not yours: `GET /async/requests` lists yours"),
        ("/async/requests/-", KEY, 404, "'-' does not exist"),
        ("/async/requests/" + "r" * 65, KEY, 404, "does not exist"),
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


# Listing


def listed(bench: Bench, query: str = "", **more: Any) -> tuple[list[str], str | None]:
    page = answered(bench.requests.reply(call("requests_list", query=query or " ", **more)), 200)
    return [row["id"] for row in page["requests"]], page["next"]


@pytest.fixture
def many() -> Bench:
    """Give a stage with requests of two models, textgen's named by their callers."""
    bench = Bench()
    for minute in range(5):
        created = f"2026-11-21T10:{minute:02}:00.000Z"
        bench.store.create(async_request(f"v{minute}", model="resnet", created=created))
        own = row_id("textgen", f"t{minute}")
        bench.store.create(async_request(own, chosen=f"t{minute}", created=created))
    bench.fail("t1", "no reason")
    bench.fail("v2", "no reason")
    return bench


def test_the_handler_lists_too(many: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    handler = imported("requests", ENVIRONMENT, many.requests, monkeypatch).handler
    page = answered(handler(recorded("requests_list"), None), 200)
    assert page["next"] is None
    assert page["requests"] == [
        {
            "id": "t1",
            "status": "failed",
            "model": "textgen",
            "version": None,
            "attempts": 1,
            "created": "2026-11-21T10:01:00.000Z",
            "finished": many.find("t1").finished,
            "error": "no reason",
        }
    ]


def test_requests_are_listed_by_model_newest_first(many: Bench) -> None:
    resnet, textgen = [f"v{n}" for n in (4, 3, 2, 1, 0)], [f"t{n}" for n in (4, 3, 2, 1, 0)]
    assert listed(many) == ([*resnet, *textgen], None)
    assert listed(many, "model=textgen") == (textgen, None)


@pytest.mark.parametrize("limit", range(1, 11))
def test_pages_follow_one_another_without_gap_or_repetition(limit: int, many: Bench) -> None:
    whole, _ = listed(many)
    pages: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page, cursor = listed(many, f"limit={limit}&cursor={cursor}")
        assert len(page) <= limit
        pages += page
    assert pages == whole


def test_requests_are_listed_by_status_and_time(many: Bench) -> None:
    assert listed(many, "status=failed")[0] == ["v2", "t1"]
    assert listed(many, "since=2026-11-21T10:03:00Z&model=textgen")[0] == ["t4", "t3"]
    assert listed(many, "before=2026-11-21T10:01:00Z")[0] == ["v0", "t0"]
    assert listed(many, "before=2026-11-21T12:01:00%2B02:00")[0] == ["v0", "t0"]
    assert listed(many, "since=2026-11-21T10:01:00&before=2026-11-21T10:03:00&status=failed")[
        0
    ] == [
        "v2",
        "t1",
    ]


NOON = "2026-11-21T12:00:00.000Z"


def cursor_of(created: str, row_id: str) -> str:
    return Cursor("textgen", Position(created, row_id)).to_text()


def test_a_key_lists_what_is_in_its_scope(many: Bench) -> None:
    many.grant("srv_resnet", "resnet")
    assert {name[0] for name in listed(many, key="srv_resnet")[0]} == {"v"}
    _, cursor = listed(many, "limit=7")
    for query, status in (("model=textgen", 403), (f"cursor={cursor}", 400)):
        given = call("requests_list", query=query, key="srv_resnet")
        refusal(many.requests.reply(given), status)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("status=done", "parameter 'status': 'done' given, one of queued, running, succeeded"),
        ("since=yesterday", "parameter 'since': 'yesterday' given, a time as"),
        ("limit=0", "parameter 'limit': '0' given, 1 to 100"),
        ("cursor=x", "parameter 'cursor': 'x' given, the 'next' of the page before"),
        ("cursor=WyJ4Il0", "parameter 'cursor'"),
        ("since=2026-11-22&before=2026-11-21", "parameter 'since': '2026-11-22T00:00:00.000Z' gi"),
        ("since=2026-11-22&before=2026-11-22", "a time before 2026-11-22T00:00:00.000Z expected"),
        (f"cursor={cursor_of('x', 'id')}", "the 'next' of the page before"),
        (f"cursor={cursor_of(NOON, 'x' * 3000)}", "the 'next' of the page before"),
        (f"since=2026-11-22&cursor={cursor_of(NOON, 'id')}", "one of a list of the same times"),
        (f"before=2026-11-21&cursor={cursor_of(NOON, 'id')}", "one of a list of the same times"),
    ],
)
def test_a_list_that_cannot_be_is_refused(query: str, message: str, many: Bench) -> None:
    assert message in refusal(many.requests.reply(call("requests_list", query=query)), 400)
