"""Completing: what an endpoint has ended closes its row, once."""

import json
from dataclasses import replace

import pytest

from serval.fleets.endpoints.complete import STALE
from serval.models.route import Route
from serval.requests import lifecycle
from tests.fakes.endpoints import ManagedFleet, notice, output_key
from tests.fakes.fleets import BUCKET, moment
from tests.fakes.registration import Crash, Crashes


def running(**members: object) -> ManagedFleet:
    """Give a fleet whose endpoint holds one request."""
    stage = ManagedFleet()
    stage.submit("r1", **members)
    stage.dispatch()
    assert stage.sent == ("r1.1",)
    return stage


def test_a_success_closes_the_row_and_makes_room() -> None:
    stage = running()

    assert stage.complete(stage.answer("r1.1")) == "succeeded"

    row = stage.row("r1")
    assert (row.status, row.version) == ("succeeded", "1")
    assert (row.response_key, row.response_bytes) == (output_key("r1.1"), 39)
    assert row.response_header_length is None
    assert stage.sent == ()
    assert stage.dispatcher.asked == [("managed", False)]


def test_a_binary_result_keeps_the_length_of_its_json_part() -> None:
    stage = running()
    header = json.dumps(
        {"outputs": [{"name": "y", "parameters": {"binary_data_size": 4}}]}
    ).encode()

    stage.complete(stage.answer("r1.1", header + b"\x00\x01\x02\x03"))

    assert stage.row("r1").response_header_length == len(header)


def test_a_callback_is_asked_for() -> None:
    stage = running(callback_url="https://example.com")

    stage.complete(stage.answer("r1.1"))

    assert stage.callbacks.sent == ["r1"]


def test_a_failure_is_tried_again_while_attempts_are_left() -> None:
    stage = running()

    assert stage.complete(stage.fail("r1.1")) == "to be tried again: out of memory"

    row = stage.row("r1")
    assert (row.status, row.attempts, row.alone, row.error) == ("queued", 1, True, "out of memory")
    assert stage.queues.visible("vision") == ["r1"]
    assert stage.sent == ()


def test_the_last_failure_is_dead_lettered_with_its_reason() -> None:
    stage = running(attempts=2)

    assert stage.complete(stage.fail("r1.1")) == "failed"

    reason = "failed 3 times, at last: out of memory"
    assert stage.queues.dead == [("vision", "r1", reason)]
    assert (stage.row("r1").error, stage.row("r1").refused) == (reason, False)


def test_what_the_container_refuses_is_not_tried_again() -> None:
    stage = running()

    stage.complete(stage.fail("r1.1", "Received client error (400) from model"))

    row = stage.row("r1")
    assert (row.status, row.refused, row.error) == ("failed", True, "out of memory")
    assert stage.queues.dead == []


def test_a_cancel_after_dispatch_discards_the_result_and_says_so() -> None:
    stage = running()
    stage.requests.rows["r1"] = lifecycle.cancel(stage.row("r1"), moment(1))

    outcome = stage.complete(stage.answer("r1.1"))

    assert outcome == "cancelled: its caller wanted no result, so it is discarded"
    row = stage.row("r1")
    assert (row.status, row.response_key) == ("cancelled", None)
    assert stage.sent == ()


def test_a_cancelled_request_that_fails_is_no_dead_letter() -> None:
    stage = running(attempts=2)
    stage.requests.rows["r1"] = lifecycle.cancel(stage.row("r1"), moment(1))

    stage.complete(stage.fail("r1.1"))

    assert stage.row("r1").status == "cancelled"
    assert stage.queues.dead == []


def test_a_notice_that_comes_twice_counts_once() -> None:
    stage = running(callback_url="https://example.com")
    stage.submit("r2")
    stage.dispatch()
    event = stage.answer("r1.1")

    stage.complete(event)
    assert stage.complete(event) == "known: its request is succeeded"

    assert stage.sent == ("r2.1",)
    assert stage.row("r1").revision == 3


def test_the_outcome_of_another_attempt_is_discarded_and_said() -> None:
    stage = running()
    row = stage.row("r1")
    stage.requests.rows["r1"] = replace(row, attempt=2, runner="sagemaker:r1.2")

    assert stage.complete(stage.answer("r1.1")) == STALE

    assert stage.row("r1").status == "running"
    assert stage.sent == (), "it holds no room any more"


def test_a_fleet_that_is_not_deployed_any_more_is_given_nothing() -> None:
    stage = running()
    stage.requests.rows["r1"] = replace(stage.row("r1"), fleet="gone")

    assert stage.complete(stage.answer("r1.1")) == "succeeded"

    assert stage.dispatcher.asked == []


@pytest.mark.parametrize("inference", ["", "nothing", "gone.1", "r1.x"])
def test_notices_about_nothing_are_only_said(inference: str) -> None:
    stage = running()

    assert stage.complete(notice(inference)) == "stale: there is no such request"

    assert stage.row("r1").status == "running"


@pytest.mark.parametrize(
    "place",
    ["", "s3://other/async-out/r1.1.out", f"s3://{BUCKET}/async/r2/1/response", "nonsense"],
)
def test_a_result_is_taken_only_from_where_endpoints_write(place: str) -> None:
    stage = running()
    stage.objects.put("async/r2/1/response", b"{}")
    event = notice(
        "r1.1", invocationStatus="Completed", responseParameters={"outputLocation": place}
    )

    outcome = stage.complete(event)

    assert outcome == f"to be tried again: its result is not at {place or 'any place'}"
    assert stage.row("r1").response_key is None


def test_a_success_without_its_object_is_a_failure() -> None:
    stage = running()
    event = stage.answer("r1.1")
    stage.objects.objects.clear()

    assert stage.complete(event).startswith("to be tried again: its result is not at s3://")


def test_outcomes_count_for_the_track_that_the_version_stands_for() -> None:
    stage = running()
    stage.models.routes["vision"] = Route("3", candidate="1", percent=10, rollout="r")

    stage.complete(stage.answer("r1.1"))

    (line,) = (json.loads(line) for line in stage.printed)
    assert (line["Model"], line["Track"]) == ("vision", "candidate")
    assert (line["Requests"], line["Errors"], line["Latency"]) == (1, 0, [3153.0])


def test_failures_of_the_version_count_and_refusals_do_not() -> None:
    failed, refused = running(), running()

    failed.complete(failed.fail("r1.1"))
    refused.complete(refused.fail("r1.1", "Received client error (400) from model"))

    (line,) = (json.loads(line) for line in failed.printed)
    assert (line["Requests"], line["Errors"]) == (1, 1)
    assert refused.printed == []


ENDS = {
    "succeeded": lambda stage: stage.answer("r1.1"),
    "failed": lambda stage: stage.fail("r1.1"),
    "refused": lambda stage: stage.fail("r1.1", "Received client error (400) from model"),
}


def calls_of(end: str) -> int:
    stage, crashes = running(attempts=2, callback_url="https://example.com"), Crashes()
    stage.complete(ENDS[end](stage), crashes)
    return len(crashes.calls)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("end", "call"), [(end, call) for end in ENDS for call in range(calls_of(end))]
)
def test_a_crash_at_any_call_is_mended_when_the_notice_comes_again(
    end: str, call: int, after: bool
) -> None:
    stage = running(attempts=2, callback_url="https://example.com")
    event = ENDS[end](stage)
    with pytest.raises(Crash):
        stage.complete(event, Crashes(call, after))

    stage.complete(event)

    row = stage.row("r1")
    assert row.status == ("succeeded" if end == "succeeded" else "failed")
    assert stage.sent == ()
    assert "r1" in stage.callbacks.sent
    assert [letter[1] for letter in stage.queues.dead][:1] == (["r1"] if end == "failed" else [])


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", range(6))
def test_a_crash_before_a_retry_is_mended_when_the_notice_comes_again(
    call: int, after: bool
) -> None:
    stage = running()
    event = stage.fail("r1.1")
    try:
        stage.complete(event, Crashes(call, after))
    except Crash:
        stage.complete(event)

    assert stage.row("r1").status == "queued"
    assert "r1" in stage.queues.visible("vision")
    assert stage.sent == ()
    stage.dispatch()
    assert stage.row("r1").runner == "sagemaker:r1.2"
