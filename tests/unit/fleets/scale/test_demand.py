"""How much is asked of a fleet."""

import json
from dataclasses import replace

import pytest

from serval.fleets.scale import demand
from serval.fleets.state import FleetState
from tests.fakes.fleets import at, seen, worker

AWAKE = FleetState(fleet="gpu", machines=2, woken=at(0), ticked=at(0))


def ticks(state: FleetState, arrivals_a_minute: list[int]) -> FleetState:
    """Let requests come and be completed, minute by minute."""
    completed = 0
    for minute, arrived in enumerate(arrivals_a_minute, 1):
        completed += arrived
        look = seen(
            60 * minute, workers=[worker(completed=completed, busy_seconds=2.0 * completed)]
        )
        state = demand.measure_demand(state, look)
    return state


def test_what_was_completed_and_what_waits_more_has_arrived() -> None:
    before = replace(AWAKE, open_before=5, counted=json.dumps({"w1": [10, 20.0]}))

    state = demand.measure_demand(before, seen(60, waiting=35, workers=[worker(completed=40)]))

    assert state.open_before == 35
    assert 0 < state.arrivals_per_second <= (30 + 30) / 60
    assert ticks(AWAKE, [60] * 10).arrivals_per_second == pytest.approx(1.0, abs=0.05)


def test_steady_growth_is_followed() -> None:
    state = ticks(AWAKE, [6 * minute for minute in range(1, 30)])

    assert state.arrivals_trend == pytest.approx(0.1 / 60, rel=0.1)
    assert state.arrivals_per_second == pytest.approx(2.9, rel=0.05)


def test_a_worker_that_is_gone_takes_nothing_back() -> None:
    both = [worker("w1", completed=500, busy_seconds=900.0), worker("w2", completed=500)]
    state = demand.measure_demand(AWAKE, seen(60, workers=both))

    state = demand.measure_demand(state, seen(120, workers=[worker("w2", completed=530)]))

    assert demand.count_work(AWAKE, seen(60, workers=both)).completed == 1000
    assert state.arrivals_per_second > 5, "500 requests that the other one once completed count"


def test_a_worker_of_old_that_comes_to_light_again_brings_no_arrivals() -> None:
    old = worker("w9", started=at(-4000), completed=9000, busy_seconds=9000.0)

    assert demand.count_work(AWAKE, seen(60, workers=[old])).completed == 0


def test_a_new_worker_brings_all_that_it_has_completed() -> None:
    new = worker("w9", started=at(20), completed=7, busy_seconds=14.0)

    assert demand.count_work(AWAKE, seen(60, workers=[new])) == demand.WorkDone(7, 14.0)


def test_two_ticks_at_once_teach_nothing() -> None:
    once = demand.measure_demand(AWAKE, seen(60, waiting=10))

    assert demand.measure_demand(once, seen(62, waiting=20)) == once


def test_seconds_per_request_are_measured_with_batches_in_them() -> None:
    first = demand.measure_demand(
        AWAKE, seen(60, workers=[worker(completed=80, busy_seconds=20.0)])
    )
    assert first.seconds_per_request == 0.25

    slower = [worker(completed=90, busy_seconds=40.0)]
    assert demand.measure_demand(first, seen(120, workers=slower)).seconds_per_request == 1.125


def test_before_the_first_result_a_request_takes_as_long_as_it_has_taken() -> None:
    at_it = seen(300, workers=[worker(started=at(100), holding=4)])

    assert demand.estimate_seconds(AWAKE, at_it) == 50.0
    assert demand.estimate_seconds(replace(AWAKE, seconds_per_request=2.0), at_it) == 2.0
    assert demand.estimate_seconds(AWAKE, seen(300, workers=[worker()])) == 0.0


STARTING = replace(AWAKE, short_since=at(50))


def test_a_start_from_nothing_is_measured() -> None:
    state = demand.measure_demand(STARTING, seen(240, workers=[worker(started=at(200))]))

    assert state.start_up_seconds == 200.0


def test_a_worker_that_comes_later_tells_nothing_of_the_start() -> None:
    reclaimed = replace(STARTING, short_since=at(3600), counted="{}", start_up_seconds=200.0)

    state = demand.measure_demand(reclaimed, seen(4000, workers=[worker(started=at(3900))]))

    assert state.start_up_seconds == 200.0


def test_a_start_on_machines_that_were_still_there_tells_nothing() -> None:
    again = replace(STARTING, slept=at(-60), start_up_seconds=200.0)

    state = demand.measure_demand(again, seen(60, workers=[worker(started=at(40))]))

    assert state.start_up_seconds == 200.0


def test_a_faster_start_is_believed_slowly() -> None:
    again = replace(STARTING, slept=at(-7200), start_up_seconds=200.0)

    state = demand.measure_demand(again, seen(120, workers=[worker(started=at(100))]))

    assert state.start_up_seconds == pytest.approx(170.0)


def test_a_sleep_makes_all_stale_but_what_a_request_and_a_start_take() -> None:
    known = replace(ticks(AWAKE, [60, 60]), start_up_seconds=200.0)

    state = demand.forget_demand(known)

    assert (state.arrivals_per_second, state.arrivals_trend, state.ticked) == (0.0, 0.0, "")
    assert (state.counted, state.open_before) == ("", 0)
    assert (state.seconds_per_request, state.start_up_seconds) == (2.0, 200.0)
