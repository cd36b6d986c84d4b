"""Submits that wait for the result, retries of what has ended, and the rate of a key."""

import json
import time

import pytest

from tests.fakes.submission import (
    ASKED,
    KEY,
    Bench,
    answered,
    binary_result,
    call,
    inference_request,
    put,
    refusal,
    result,
)


@pytest.fixture
def bench() -> Bench:
    return Bench()


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
