"""Where a fleet's machines come from."""

from dataclasses import replace

import pytest

from serval.fleets.scale.capacity import (
    choose_capacity,
    choose_capacity_on_wake,
    turn_to_on_demand,
    turn_to_spot,
)
from serval.fleets.state import FleetState
from serval.models.deployed_fleets import DeployedFleet
from tests.fakes.fleets import at, seen, worker, workers

FLEET = DeployedFleet(name="gpu", maximum=10, target_age_seconds=60, models=("textgen",))
SHORT = FleetState(fleet="gpu", machines=4, woken=at(0), short_since=at(0))
ON_DEMAND = FleetState(
    fleet="gpu", machines=4, capacity="on-demand", capacity_since=at(0), less_since=at(0)
)


def test_a_fleet_short_for_twice_a_start_turns_to_on_demand_machines() -> None:
    late = seen(600, waiting=9, oldest_age_seconds=121.0, workers=workers(1))

    state = choose_capacity(FLEET, SHORT, late)

    assert (state.capacity, state.capacity_since) == ("on-demand", at(600))
    assert state.reason == (
        "on-demand machines: 3 spot machines did not come within 600 s, and the oldest request "
        "waits for 121 s"
    )


@pytest.mark.parametrize(
    ("moment", "age", "present", "known"),
    [
        (599, 121.0, 1, {}),
        (600, 120.0, 1, {}),
        (600, 121.0, 4, {}),
        (600, 121.0, 1, {"start_up_seconds": 301.0}),
    ],
    ids=["not for long enough", "nothing late", "all are there", "a start takes longer here"],
)
def test_else_it_waits_for_spot(
    moment: float, age: float, present: int, known: dict[str, float]
) -> None:
    look = seen(moment, waiting=9, oldest_age_seconds=age, workers=workers(present))

    assert choose_capacity(FLEET, replace(SHORT, **known), look).capacity == "spot"


def test_a_fast_start_makes_nobody_impatient() -> None:
    fast = replace(SHORT, start_up_seconds=20.0)
    look = seen(300, waiting=9, oldest_age_seconds=121.0, workers=workers(1))

    assert choose_capacity(FLEET, fast, look).capacity == "spot"


def test_a_machine_that_comes_begins_the_wait_anew() -> None:
    newcomer = [worker("w1"), worker("w2", started=at(500))]
    look = seen(700, waiting=9, oldest_age_seconds=600.0, workers=newcomer)

    state = choose_capacity(FLEET, SHORT, look)

    assert (state.capacity, state.short_since) == ("spot", at(500))


def test_a_fleet_with_all_its_machines_is_not_short() -> None:
    assert choose_capacity(FLEET, SHORT, seen(60, workers=workers(4))).short_since == ""


def test_a_worker_that_is_being_stopped_is_missing() -> None:
    listed = [*workers(3), worker("w9", draining=True)]

    look = seen(60, workers=listed)
    assert choose_capacity(FLEET, replace(SHORT, short_since=""), look).short_since == at(60)


def test_it_turns_back_when_it_lets_machines_go_anyway() -> None:
    state = choose_capacity(FLEET, ON_DEMAND, seen(1800, workers=workers(4)))

    assert (state.capacity, state.capacity_since) == ("spot", at(1800))
    assert state.reason.endswith("spot machines are tried again")


@pytest.mark.parametrize(
    ("moment", "age", "less_since", "trend"),
    [
        (1799, 0.0, at(0), 0.0),
        (1800, 61.0, at(0), 0.0),
        (1800, 0.0, "", 0.0),
        (1800, 0.0, at(1501), 0.0),
        (1800, 0.0, at(0), 0.001),
    ],
    ids=["too soon", "something is late", "it needs them all", "not for long", "it grows"],
)
def test_else_it_keeps_them(moment: float, age: float, less_since: str, trend: float) -> None:
    state = replace(ON_DEMAND, less_since=less_since, arrivals_trend=trend)
    look = seen(moment, waiting=1, oldest_age_seconds=age, workers=workers(4))

    assert choose_capacity(FLEET, state, look).capacity == "on-demand"


def test_a_fleet_that_always_needs_them_all_turns_back_after_hours() -> None:
    state = replace(ON_DEMAND, less_since="")

    assert choose_capacity(FLEET, state, seen(14399)).capacity == "on-demand"
    assert choose_capacity(FLEET, state, seen(14400)).capacity == "spot"


def test_a_fleet_that_wakes_tries_spot_unless_that_has_just_failed() -> None:
    slept = replace(ON_DEMAND, machines=1)

    assert choose_capacity_on_wake(slept, seen(1799)).capacity == "on-demand"
    assert choose_capacity_on_wake(slept, seen(1800)).capacity == "spot"


def test_turning_begins_the_wait_for_machines_anew() -> None:
    assert turn_to_on_demand(SHORT, "no reason", at(60)).short_since == ""
    assert turn_to_spot(SHORT, at(60)).short_since == ""
