"""The sweep: what was begun and not ended goes on."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from serval.fleets.endpoints.attempt import LEASE
from serval.fleets.state import FleetState
from serval.fleets.sweep import PERIOD, is_due, next_step
from serval.requests.request import OpenRequest
from tests.fakes.endpoints import ManagedFleet, failure_key, output_key
from tests.fakes.fleets import at, moment

MINUTE = 60.0


def request(**members: Any) -> OpenRequest:
    plain = OpenRequest(
        id="r1", model="textgen", fleet="gpu", status="queued", created=at(0), updated=at(0)
    )
    return replace(plain, **members)


def step(seconds: float, kind: str = "spot", **members: Any) -> str:
    return next_step(request(**members), kind, moment(seconds))  # type: ignore[arg-type]


def test_what_was_queued_for_ten_minutes_is_sent_again() -> None:
    assert step(599) == "leave"
    assert step(600) == "send"


def test_a_change_of_the_row_begins_the_ten_minutes_anew() -> None:
    assert step(900, updated=at(500)) == "leave"


def test_what_lost_its_runner_ten_minutes_ago_is_sent_again() -> None:
    assert step(699, status="running", lease_until=at(100)) == "leave"
    assert step(700, status="running", lease_until=at(100)) == "send"
    assert step(700, status="running", lease_until=at(9000)) == "leave"


def test_what_an_endpoint_has_for_ten_minutes_is_looked_for() -> None:
    assert step(599, "sagemaker", status="running", lease_until=at(9000)) == "leave"
    assert step(600, "sagemaker", status="running", lease_until=at(9000)) == "look"
    assert step(600, "sagemaker") == "send"


def test_a_long_backlog_is_sent_again_ever_more_seldom() -> None:
    minutes = [minute for minute in range(5, 4320, 10) if is_due(timedelta(minutes=minute))]

    assert minutes == [15, 25, 45, 85, 165, 325, 645, 1285, 2725, 4165]


@pytest.mark.parametrize("late_seconds", [-30, -1, 1, 30])
def test_a_sweep_that_is_not_punctual_skips_none(late_seconds: float) -> None:
    period = PERIOD + timedelta(seconds=late_seconds)

    sent = [number for number in range(1, 50) if is_due(number * period)]

    assert len(sent) >= 6


def test_a_message_that_was_lost_between_row_and_queue_is_sent_again() -> None:
    stage = ManagedFleet()
    stage.submit("r1", model="textgen")
    stage.queues.queues.clear()
    stage.clock.pass_seconds(10 * MINUTE)

    told = stage.sweep()

    assert stage.queues.visible("textgen") == ["r1"]
    assert told["sent"] == {"textgen": 1}


def test_fleets_with_open_requests_are_woken() -> None:
    stage = ManagedFleet()
    stage.submit("r1", model="textgen")

    told = stage.sweep()

    assert told["woken"] == ["gpu"]
    assert stage.states.find("gpu").machines == 1


def test_a_fleet_that_is_awake_in_its_row_alone_is_run() -> None:
    stage = ManagedFleet()
    stage.states.states["gpu"] = FleetState(fleet="gpu", machines=2, woken=at(-999))
    stage.submit("r1", model="textgen")

    stage.sweep()

    assert stage.states.find("gpu").machines == 2


def test_an_idle_fleet_whose_ticks_stand_still_gets_them_back() -> None:
    stage = ManagedFleet()
    stage.states.states["gpu"] = FleetState(fleet="gpu", machines=2, woken=at(-999))

    stage.sweep()

    assert stage.ticks.on


def test_a_paused_model_wakes_nobody_and_keeps_its_messages() -> None:
    stage = ManagedFleet()
    stage.states.states["gpu"] = FleetState(fleet="gpu", paused=("textgen",))
    stage.submit("r1", model="textgen")
    stage.clock.pass_seconds(10 * MINUTE)

    told = stage.sweep()

    assert told["woken"] == []
    assert told["sent"] == {"textgen": 1}


def test_requests_of_models_that_no_fleet_answers_for_are_counted() -> None:
    stage = ManagedFleet()
    stage.submit("r1", model="gone")
    stage.clock.pass_seconds(10 * MINUTE)

    assert stage.sweep() == {"sent": {}, "ended": {}, "woken": [], "called": 0, "stranded": 1}


def test_callbacks_that_were_never_sent_are_asked_for() -> None:
    stage = ManagedFleet()
    stage.submit("r1", status="succeeded", finished=at(0), callback_url="https://example.com")
    stage.submit("r2", status="succeeded", finished=at(0))
    stage.clock.pass_seconds(10 * MINUTE)
    assert stage.sweep()["called"] == 0, "ten minutes are not over"

    stage.clock.pass_seconds(1)
    assert stage.sweep()["called"] == 1
    assert stage.callbacks.sent == ["r1"]


def handed_over() -> ManagedFleet:
    """Give a fleet whose endpoint has a request for ten minutes."""
    stage = ManagedFleet()
    stage.submit("r1")
    stage.dispatch()
    stage.clock.pass_seconds(10 * MINUTE)
    return stage


def test_a_result_whose_notice_was_lost_closes_its_row() -> None:
    stage = handed_over()
    stage.answer("r1.1")

    assert stage.sweep()["ended"] == {"r1": "succeeded"}

    assert stage.row("r1").response_key == output_key("r1.1")
    assert stage.sent == ()


def test_a_failure_whose_notice_was_lost_is_tried_again() -> None:
    stage = handed_over()
    stage.objects.put(failure_key("r1.1"), b'{"error": "out of memory"}')

    assert stage.sweep()["ended"] == {"r1": "to be tried again: out of memory"}

    assert stage.queues.visible("vision") == ["r1"]
    assert stage.sent == ()


def test_what_the_endpoint_still_works_at_is_left_to_it() -> None:
    stage = handed_over()

    assert stage.sweep()["ended"] == {}

    assert stage.row("r1").status == "running"
    assert stage.sent == ("r1.1",)


@pytest.mark.parametrize("instances", [0, 1])
def test_what_an_endpoint_has_lost_is_handed_over_again(instances: int) -> None:
    stage = handed_over()
    stage.endpoints.instances = instances
    stage.clock.pass_seconds(LEASE.total_seconds())

    assert stage.sweep()["ended"] == {"r1": "lost: its message was sent again"}

    stage.dispatch(recount=True)
    assert stage.row("r1").runner == "sagemaker:r1.2"
    assert stage.sent == ("r1.2",)


def test_a_request_whose_dispatch_died_is_handed_over_again() -> None:
    stage = handed_over()
    row = stage.row("r1")
    stage.requests.rows["r1"] = replace(row, output_key=None, failure_key=None, lease_until=at(120))

    assert stage.sweep()["ended"] == {"r1": "lost: its message was sent again"}
