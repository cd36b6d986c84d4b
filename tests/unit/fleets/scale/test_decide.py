"""How many machines a fleet is to have."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serval.fleets.canaries import SplitCanary
from serval.fleets.scale.decide import decide, expected_arrivals, machines_for_shards, wake
from serval.fleets.scale.observation import JobShards, Observation
from serval.fleets.state import FleetState, WorkerState
from serval.models.deployed_fleets import DeployedFleet
from tests.fakes.fleets import at, seen, worker, workers

FLEET = DeployedFleet(name="gpu", maximum=10, target_age_seconds=60, models=("textgen",))
SLEEPING = FleetState(fleet="gpu")
AWAKE = FleetState(fleet="gpu", machines=4, woken=at(-3600), ticked=at(0), seconds_per_request=2.0)


@dataclass
class Minutes:
    """A fleet whose machines come some minutes after they were asked for, and then work."""

    fleet: DeployedFleet = FLEET
    seconds_per_request: float = 2.0
    start_minutes: int = 4
    state: FleetState = SLEEPING
    minute: int = 0
    waiting: int = 0
    asked: list[int] = field(default_factory=list)
    """Machines that the fleet was to have, minute by minute."""
    ages: list[float] = field(default_factory=list)
    _came: list[int] = field(default_factory=list)
    _workers: list[WorkerState] = field(default_factory=list)
    _named: int = 0

    def pass_minute(self, arrivals: int) -> FleetState:
        """Let requests come and be worked at for a minute, then tick."""
        self._come_and_go()
        self._came += [self.minute] * arrivals
        self._work()
        self.minute += 1
        age = 60.0 * (self.minute - self._came[0]) if self._came else 0.0
        look = seen(
            60 * self.minute,
            waiting=len(self._came),
            oldest_age_seconds=age,
            workers=tuple(self._workers),
        )
        self.state = decide(self.fleet, self.state, look)
        self.asked.append(self.state.machines)
        self.ages.append(age)
        return self.state

    def _come_and_go(self) -> None:
        there = min(self.asked[-self.start_minutes :], default=0) if self.asked else 0
        if len(self.asked) < self.start_minutes:
            there = 0
        del self._workers[self.state.machines :]
        while len(self._workers) < there:
            self._named += 1
            self._workers.append(worker(f"w{self._named}", started=at(60 * self.minute)))

    def _work(self) -> None:
        each = int(60 / self.seconds_per_request)
        for index, one in enumerate(self._workers):
            done = min(each, len(self._came))
            del self._came[:done]
            self._workers[index] = replace(
                one,
                completed=one.completed + done,
                busy_seconds=one.busy_seconds + done * self.seconds_per_request,
            )


def test_a_fleet_that_sleeps_is_left_to_while_nothing_is_asked() -> None:
    assert decide(FLEET, SLEEPING, seen(60)).machines == 0


def test_a_request_wakes_it() -> None:
    state = decide(FLEET, SLEEPING, seen(60, waiting=1, oldest_age_seconds=5.0))

    assert state.machines == 1
    assert state.woken == at(60)


def test_it_has_machines_for_its_arrivals_and_some_more() -> None:
    life = Minutes(state=AWAKE, start_minutes=1)
    for _ in range(30):
        life.pass_minute(120)

    assert set(life.asked[20:]) == {5}, "2 requests/s of 2 s keep 4 machines busy"


def test_what_waits_is_to_be_worked_off_within_the_target_age() -> None:
    look = seen(60, waiting=150, oldest_age_seconds=30.0, workers=workers(4))
    state = decide(FLEET, replace(AWAKE, open_before=150), look)

    assert state.machines == 5, "300 machine-seconds of work in 60 s"


def test_no_machine_is_asked_for_that_would_find_no_request() -> None:
    state = replace(AWAKE, seconds_per_request=600.0, machines=1, open_before=3)

    assert decide(FLEET, state, seen(60, waiting=3, workers=workers(1))).machines == 3


def test_machines_on_order_are_not_ordered_again() -> None:
    look = seen(60, waiting=150, oldest_age_seconds=30.0)
    once = decide(FLEET, replace(AWAKE, open_before=150), look)
    again = decide(FLEET, once, replace(look, now=seen(120).now))

    assert again.machines == once.machines


def test_machines_that_are_all_there_and_too_few_are_joined_by_more() -> None:
    late = seen(60, waiting=1, oldest_age_seconds=61.0, workers=workers(4))

    assert decide(FLEET, AWAKE, late).machines == 5
    assert decide(FLEET, AWAKE, replace(late, workers=workers(3))).machines == 4


def test_arrivals_are_looked_ahead_for_as_long_as_a_start_takes() -> None:
    growing = replace(AWAKE, arrivals_per_second=4.0, arrivals_trend=0.01)
    chance = (4 / 60) ** 0.5

    assert expected_arrivals(growing) == pytest.approx(4 + 0.01 * 360 - chance)
    slow = replace(growing, start_up_seconds=120.0)
    assert expected_arrivals(slow) == pytest.approx(4 + 0.01 * 180 - chance)
    assert expected_arrivals(replace(growing, arrivals_trend=1.0)) == 8.0, "they double at the most"
    assert expected_arrivals(replace(growing, arrivals_trend=-0.01)) == 4.0
    assert expected_arrivals(replace(growing, arrivals_trend=0.0005)) == 4.0, "chance grows so"


def test_the_reason_says_what_the_maximum_has_cut_off() -> None:
    state = decide(FLEET, AWAKE, seen(60, waiting=3000, oldest_age_seconds=90.0))

    assert state.machines == 10
    assert state.reason.endswith("machines would do, the maximum is 10")
    assert "3000 waiting, the oldest for 90 s" in state.reason


def test_machines_go_slowly_and_only_after_a_while() -> None:
    state = replace(AWAKE, machines=10, seconds_per_request=2.0)
    asked = []
    for minute in range(1, 12):
        state = decide(FLEET, state, seen(60 * minute, running=1, workers=workers(10)))
        asked.append(state.machines)

    assert asked == [10, 10, 10, 10, 10, 9, 8, 7, 6, 5, 4]


def test_a_moment_in_which_all_are_needed_begins_the_while_anew() -> None:
    state = replace(AWAKE, machines=2, less_since=at(-290))

    busy = decide(FLEET, state, seen(60, waiting=50, workers=workers(2)))

    assert busy.machines >= 2
    assert busy.less_since == ""


def test_workers_with_work_are_not_let_go() -> None:
    state = replace(AWAKE, machines=10, less_since=at(-600))
    busy = workers(10, holding=1)

    assert decide(FLEET, state, seen(60, running=10, workers=busy)).machines == 10
    assert decide(FLEET, state, seen(60, running=9, workers=[*busy[:9], worker("i")])).machines == 9


def test_the_last_one_goes_when_nothing_was_asked_for_the_idle_time() -> None:
    state = replace(AWAKE, machines=1)
    asked = []
    for minute in range(1, 8):
        state = decide(FLEET, state, seen(60 * minute, workers=workers(1)))
        asked.append(state.machines)

    assert asked == [1, 1, 1, 1, 1, 0, 0]
    assert state.slept == at(360)
    assert state.reason == "nothing asked for 300 s"


def test_all_go_at_once_when_nothing_was_asked_for_the_idle_time() -> None:
    idle = replace(AWAKE, machines=9, idle_since=at(-600))

    assert decide(FLEET, idle, seen(60, workers=workers(9))).machines == 0
    assert decide(FLEET, idle, seen(60, running=1, workers=workers(9))).machines == 9
    assert decide(FLEET, idle, seen(60, workers=[worker(holding=1)])).machines == 1


def test_a_fleet_keeps_its_minimum() -> None:
    fleet = replace(FLEET, minimum=2)
    idle = replace(AWAKE, machines=5, idle_since=at(-600))

    assert decide(fleet, idle, seen(60)).machines == 2
    assert decide(fleet, SLEEPING, seen(60)).machines == 2


def test_a_maximum_that_was_lowered_holds() -> None:
    state = replace(AWAKE, machines=10, less_since=at(-600))

    low = replace(FLEET, maximum=3)
    assert decide(low, state, seen(60, waiting=900, workers=workers(10))).machines <= 9


def test_waking_again_forgets_what_the_evening_before_was_like() -> None:
    slept = replace(AWAKE, machines=0, arrivals_per_second=9.0, arrivals_trend=0.1, open_before=50)

    state = wake(FLEET, slept, seen(60))

    assert (state.machines, state.woken) == (1, at(60))
    assert (state.arrivals_per_second, state.open_before) == (0.0, 0)
    assert state.seconds_per_request == 2.0
    assert wake(FLEET, state, seen(90)) == state


@given(
    arrivals=st.lists(st.integers(0, 400), min_size=1, max_size=40),
    minimum=st.integers(0, 3),
    seconds_per_request=st.sampled_from([0.5, 2.0, 20.0]),
)
def test_it_is_never_outside_its_bounds_and_never_asleep_with_work(
    arrivals: Sequence[int], minimum: int, seconds_per_request: float
) -> None:
    fleet = replace(FLEET, minimum=minimum)
    life = Minutes(fleet=fleet, seconds_per_request=seconds_per_request)
    for arrived in arrivals:
        state = life.pass_minute(arrived)
        assert minimum <= state.machines <= fleet.maximum
        assert state.machines > 0 or not life._came


@given(gap=st.integers(0, 30), first=st.integers(1, 50))
def test_it_sleeps_after_work_and_wakes_for_more(gap: int, first: int) -> None:
    life = Minutes()
    life.pass_minute(first)
    for _ in range(40):
        life.pass_minute(0)
    assert life.state.asleep
    for _ in range(gap):
        assert life.pass_minute(0).asleep

    assert not life.pass_minute(1).asleep


@given(
    before=st.builds(
        FleetState,
        fleet=st.just("gpu"),
        machines=st.integers(0, 10),
        arrivals_per_second=st.floats(0, 50),
        arrivals_trend=st.floats(-1, 1),
        seconds_per_request=st.floats(0, 100),
        open_before=st.integers(0, 1000),
        idle_since=st.sampled_from(["", at(-1000), at(30)]),
        less_since=st.sampled_from(["", at(-1000), at(30)]),
        ticked=st.sampled_from(["", at(0), at(59)]),
        woken=st.sampled_from(["", at(-500)]),
    ),
    waiting=st.integers(0, 5000),
    running=st.integers(0, 50),
    age=st.floats(0, 100000),
    present=st.integers(0, 12),
)
def test_whatever_a_row_says_the_decision_is_within_bounds(
    before: FleetState, waiting: int, running: int, age: float, present: int
) -> None:
    look = Observation(
        now=seen(60).now,
        waiting=waiting,
        running=running,
        oldest_age_seconds=age if waiting else 0.0,
        workers=workers(present, holding=1),
    )

    after = decide(FLEET, before, look)

    assert 0 <= after.machines <= FLEET.maximum
    assert after.machines > 0 or not look.open
    assert after.reason


@pytest.mark.parametrize("per_minute", [6, 60, 150])
def test_noise_does_not_make_it_swing(per_minute: int) -> None:
    random = Random(3)
    life = Minutes(state=replace(AWAKE, machines=6), start_minutes=1)
    for _ in range(240):
        life.pass_minute(round(random.gauss(per_minute, per_minute**0.5)))
    settled = life.asked[30:]

    assert max(settled) - min(settled) <= 2
    changes = sum(a != b for a, b in pairwise(settled))
    assert changes <= len(settled) / 4
    assert max(life.ages[30:]) <= FLEET.target_age_seconds


@pytest.mark.parametrize(
    ("left", "at_once", "machines"),
    [(0, 10, 0), (1, 10, 1), (6, 10, 1), (7, 10, 2), (600, 4, 4), (3, 1, 1)],
)
def test_a_batch_job_gets_a_machine_for_half_an_hour_of_work_and_none_that_it_cannot_use(
    left: int, at_once: int, machines: int
) -> None:
    assert machines_for_shards([JobShards("textgen", left, at_once)]) == machines


def test_a_candidate_that_needs_a_machine_of_its_own_gets_one_while_there_is_work() -> None:
    canary = SplitCanary("textgen", "2", "r1", 10)
    look = seen(60, waiting=60, workers=tuple(workers(2)), canaries=[canary])
    alone, both = decide(FLEET, AWAKE, replace(look, canaries=())), decide(FLEET, AWAKE, look)
    assert both.machines == alone.machines + 1
    assert "; one more for the candidate of textgen" in both.reason
    assert (alone.holders, json.loads(both.holders)) == ("", {"textgen": ["r1", "w1"]})
    idle = replace(AWAKE, idle_since=at(-3600), holders=both.holders)
    gone = decide(FLEET, idle, seen(60, canaries=[canary]))
    assert (gone.machines, gone.holders) == (0, ""), "nobody asks, so nobody answers"


def test_shards_come_on_top_of_requests_within_the_maximum() -> None:
    look = seen(60, waiting=60, jobs=[JobShards("textgen", 12, 10)])
    alone = decide(FLEET, AWAKE, replace(look, jobs=()))
    assert decide(FLEET, AWAKE, look).machines == alone.machines + 2
    many = replace(look, jobs=[JobShards("textgen", 1_000, 1_000)])
    assert decide(FLEET, AWAKE, many).machines == FLEET.maximum


def test_machines_that_work_on_shards_are_kept_when_fewer_would_do() -> None:
    state = replace(AWAKE, less_since=at(-3600))
    busy = tuple(workers(4, shards=1))
    look = seen(60, jobs=[JobShards("textgen", 4, 10)], workers=busy)
    assert decide(FLEET, state, look).machines == 4
    assert decide(FLEET, state, replace(look, workers=busy[:2])).machines == 3
