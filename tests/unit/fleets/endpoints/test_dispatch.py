"""Dispatching: the endpoint is given what fits its window, each request once; nothing is lost."""

from collections import Counter

import pytest

from serval.fleets.endpoints.attempt import HANDOVER, LEASE
from serval.fleets.endpoints.dispatch import STARTING
from serval.requests import lifecycle
from serval.requests.request import AsyncRequest
from tests.fakes.endpoints import InMemoryDuty, ManagedFleet
from tests.fakes.fleets import at, moment
from tests.fakes.registration import Crash, Crashes

HANDED_OVER = [
    "InMemoryDuty.take",
    "InMemoryDuty.leave",
    "InMemoryFleetStates.find",
    "InMemoryEndpoints.capacity",
    "Queues.receive",
    "InMemoryRequests.find",
    "InMemoryRequests.save",
    "InMemoryFleetStates.save",
    "InMemoryEndpoints.submit",
    "Queues.delete",
]
"""Calls that one hand_over makes, some of them more than once."""


def test_a_request_is_handed_over_with_what_the_container_needs() -> None:
    stage = ManagedFleet()
    stage.submit("r1", header_length=90)

    assert stage.dispatch() == {"handed over": 1}

    assert stage.endpoints.held == {
        "r1.1": (
            "managed",
            b'{"inputs": []}',
            {"m": "vision", "v": "1", "h": 90, "a": "models/vision/1/"},
        )
    }
    row = stage.row("r1")
    assert (row.status, row.runner, row.version) == ("running", "sagemaker:r1.1", "1")
    assert row.output_key == "async-out/r1.1.out"
    assert row.lease_until is not None
    assert row.lease_until >= at(LEASE.total_seconds())
    assert stage.queues.queues["vision"] == [], "the row and the reconciler answer for it now"
    assert stage.sent == ("r1.1",)


def test_a_large_body_is_handed_over_where_it_lies() -> None:
    stage = ManagedFleet()
    stage.submit("r1", payload=None, payload_key="async/r1/request")

    stage.dispatch()

    assert stage.endpoints.held["r1.1"][1] == "async/r1/request"


@pytest.mark.parametrize(("instances", "window"), [(0, 1), (1, 2), (3, 6)])
def test_no_more_than_twice_the_instances_are_in_flight_and_at_least_one(
    instances: int, window: int
) -> None:
    stage = ManagedFleet()
    stage.endpoints.instances = instances
    for number in range(10):
        stage.submit(f"r{number}")

    stage.dispatch()
    stage.dispatch()

    assert len(stage.endpoints.held) == len(stage.sent) == window
    assert len(stage.queues.visible("vision")) == 10 - window


def test_a_dispatch_leaves_a_fleet_to_the_one_on_duty_which_looks_again() -> None:
    stage = ManagedFleet()
    stage.submit("r0")
    submit, inner = stage.endpoints.submit, iter([True])

    def submitting(*arguments: object) -> object:
        if next(inner, False):
            stage.submit("r1")
            stage.queues.clock.pass_seconds(1)
            assert stage.dispatch() == {}
        return submit(*arguments)  # type: ignore[arg-type]

    stage.endpoints.submit = submitting  # type: ignore[method-assign, assignment]

    assert stage.dispatch() == {"handed over": 2}
    assert stage.duty.started == 1


def test_who_calls_while_the_one_on_duty_finds_nothing_is_heard() -> None:
    stage = ManagedFleet()
    receive, inner = stage.queues.receive, iter([True])

    def receiving(*arguments: object) -> object:
        found = receive(*arguments)  # type: ignore[arg-type]
        if next(inner, False):
            stage.submit("r1")
            assert stage.duty.call("managed", recount=True) is None
        return found

    stage.queues.receive = receiving  # type: ignore[method-assign, assignment]

    assert stage.dispatch() == {"handed over": 1}
    assert (stage.duty.holder, stage.duty.recount) == ("", False)


def test_one_that_is_started_and_never_comes_is_in_nobodys_way_for_long() -> None:
    stage = ManagedFleet()
    stage.submit("r1")
    assert stage.duty.call("managed") is not None

    assert stage.dispatch() == {}
    stage.clock.pass_seconds(STARTING.total_seconds())

    assert stage.dispatch() == {"handed over": 1}


def test_one_that_crashed_goes_on_when_lambda_starts_it_again() -> None:
    stage = ManagedFleet()
    stage.submit("r1")
    with pytest.raises(Crash):
        stage.dispatch(crashes=Crashes(1))
    token = stage.duty.holder
    assert stage.dispatch() == {}, "it is on duty still"

    assert stage.dispatching().dispatch("managed", token) == {"handed over": 1}


def test_one_that_fails_is_in_nobodys_way() -> None:
    stage = ManagedFleet()
    stage.submit("r1")
    stage.endpoints.failing = RuntimeError("throttled")
    with pytest.raises(RuntimeError, match="throttled"):
        stage.dispatch()

    assert stage.duty.free


def test_two_dispatches_at_once_do_not_overfill_the_window() -> None:
    stage = ManagedFleet()
    for number in range(4):
        stage.submit(f"r{number}")
    submit, inner = stage.endpoints.submit, iter([True])

    def submitting(*arguments: object) -> object:
        if next(inner, False):
            stage.duty = InMemoryDuty(stage.clock)  # The first one's duty is over: it was slow.
            assert stage.dispatch() == {"handed over": 1}
        return submit(*arguments)  # type: ignore[arg-type]

    stage.endpoints.submit = submitting  # type: ignore[method-assign, assignment]
    assert stage.dispatch() == {"handed over": 1, "no room": 1}

    assert len(stage.endpoints.held) == len(stage.sent) == 2
    waiting = [row for row in stage.requests.rows.values() if row.status == "queued"]
    assert [row.attempts for row in waiting] == [0, 0], "who found no room is not charged"
    assert len(stage.queues.visible("vision")) == 2


def test_models_take_turns_by_their_weights() -> None:
    stage = ManagedFleet()
    stage.models.weights = {"vision": 3, "speech": 1}
    stage.endpoints.instances = 100
    for number in range(400):
        stage.submit(f"v{number}")
        stage.submit(f"s{number}", model="speech")

    stage.dispatch()

    given = Counter(said["m"] for _, _, said in stage.endpoints.held.values())
    assert given.total() == 200
    assert 125 <= given["vision"] <= 175


def test_a_paused_model_waits_and_the_other_does_not() -> None:
    stage = ManagedFleet()
    stage.states.states["managed"] = lifecycle.replace(
        stage.states.find("managed"), paused=("vision",)
    )
    stage.submit("v1")
    stage.submit("s1", model="speech")

    stage.dispatch()

    assert list(stage.endpoints.held) == ["s1.1"]
    assert stage.row("v1").status == "queued"


def test_a_request_that_was_cancelled_is_closed_and_not_run() -> None:
    stage = ManagedFleet()
    stage.submit("r1", cancel_requested=True, callback_url="https://example.com")

    assert stage.dispatch() == {"closed": 1}

    assert stage.row("r1").status == "cancelled"
    assert stage.callbacks.sent == ["r1"]
    assert stage.queues.queues["vision"] == []


def test_a_message_about_what_has_finished_or_is_not_there_is_dropped() -> None:
    stage = ManagedFleet()
    stage.submit("r1", status="succeeded")
    stage.queues.send("vision", "nothing")

    assert stage.dispatch() == {"dropped": 2}
    assert stage.queues.queues["vision"] == []


def test_a_second_message_about_what_the_endpoint_has_is_dropped() -> None:
    stage = ManagedFleet()
    stage.submit("r1")
    stage.dispatch()
    stage.queues.send("vision", "r1")

    assert stage.dispatch() == {"dropped": 1}
    assert list(stage.endpoints.held) == ["r1.1"]


def test_a_request_for_a_version_that_is_not_there_is_refused() -> None:
    stage = ManagedFleet()
    stage.submit("r1", wanted="9")

    assert stage.dispatch() == {"closed": 1}

    row = stage.row("r1")
    assert (row.status, row.refused) == ("failed", True)
    assert (
        row.error == "model 'vision' has no version '9': `GET /v2/models/vision` lists those it has"
    )


def test_a_request_whose_attempts_were_all_lost_is_dead_lettered() -> None:
    stage = ManagedFleet()
    stage.submit("r1", attempts=3, error="out of memory")

    assert stage.dispatch() == {"closed": 1}

    reason = "attempted 3 times, and its last attempt was lost; before that: out of memory"
    assert stage.queues.dead == [("vision", "r1", reason)]
    assert (stage.row("r1").status, stage.row("r1").error) == ("failed", reason)


def test_an_endpoint_that_does_not_answer_is_an_error_and_charges_nobody() -> None:
    stage = ManagedFleet()
    stage.submit("r1")
    stage.endpoints.failing = RuntimeError("throttled")

    with pytest.raises(RuntimeError, match="throttled"):
        stage.dispatch()

    row = stage.row("r1")
    assert (row.status, row.attempts, row.attempt) == ("queued", 0, 1)
    assert stage.sent == ()
    stage.endpoints.failing = None
    assert stage.dispatch() == {}, "not at once"
    stage.clock.pass_seconds(31)
    stage.dispatch()
    assert list(stage.endpoints.held) == ["r1.2"], "what came of the first would be another's"


def test_who_changes_the_row_first_has_it() -> None:
    stage = ManagedFleet()
    stage.submit("r1")
    stage.requests.rival = lifecycle.close_cancelled(stage.row("r1"), moment(0))
    stage.requests.rival = lifecycle.replace(stage.requests.rival, revision=1)

    assert stage.dispatch() == {"lost": 1}

    assert stage.endpoints.held == {}
    assert stage.sent == ()


def calls_of_one_handover() -> int:
    stage, crashes = ManagedFleet(), Crashes()
    stage.submit("r1")
    stage.dispatch(crashes=crashes)
    assert set(HANDED_OVER) <= set(crashes.calls)
    return len(crashes.calls)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", range(calls_of_one_handover()))
def test_a_crash_at_any_call_loses_nothing_and_leaves_no_room_taken(call: int, after: bool) -> None:
    stage = ManagedFleet()
    stage.submit("r1")
    with pytest.raises(Crash):
        stage.dispatch(crashes=Crashes(call, after))

    for _ in range(3):
        stage.clock.pass_seconds(HANDOVER.total_seconds() + 1)
        stage.dispatch(recount=True)
    for inference in list(stage.endpoints.held):
        stage.complete(stage.answer(inference))

    row = stage.row("r1")
    assert row.status == "succeeded"
    assert row.attempts <= 2
    assert len(stage.endpoints.held) <= 2, "at the most one call too many"
    assert stage.queues.visible("vision") == []
    assert stage.sent == ()


@pytest.mark.parametrize("call", range(calls_of_one_handover()))
def test_an_outcome_that_comes_before_the_second_try_stands(call: int) -> None:
    stage = ManagedFleet()
    stage.submit("r1")
    with pytest.raises(Crash):
        stage.dispatch(crashes=Crashes(call, after=True))
    handed = list(stage.endpoints.held)

    for inference in handed:
        stage.complete(stage.answer(inference))
    stage.clock.pass_seconds(HANDOVER.total_seconds() + 1)
    stage.dispatch(recount=True)

    expected: list[str] = handed or ["r1.1"]
    row: AsyncRequest = stage.row("r1")
    if handed:
        assert row.status == "succeeded"
        assert list(stage.endpoints.held) == expected, "it is not run twice"
