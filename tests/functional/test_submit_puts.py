"""Submits under an id of the caller's own: each runs once, whatever is repeated."""

import json
from dataclasses import replace
from typing import Any

import pytest

from serval.models.route import Route
from serval.models.signature import Signature, TensorSpec
from serval.models.version import remove_tag
from tests.fakes.requests import async_request
from tests.fakes.submission import (
    ASKED,
    HOST,
    Bench,
    answered,
    inference_request,
    put,
    refusal,
    result,
)


@pytest.fixture
def bench() -> Bench:
    return Bench()


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
            "parameter 'upload': true given, an upload for 'r' by this key that is complete",
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
