"""The tick: every fleet is looked at, and falls asleep without losing anybody."""

import json
from dataclasses import replace

import pytest

from serval.fleets.canaries import Holders, read_holders
from serval.fleets.scale.observation import JobShards
from serval.fleets.scale.tick import Tick
from serval.models.deployed_fleets import Fleets
from serval.models.route import Route
from serval.requests.request import LISTED
from tests.fakes.fleets import ControlledFleets, OneProcess, at, worker
from tests.fakes.requests import FLEETS, GPU


class Stage(ControlledFleets):
    """Fleets that tick."""

    def __init__(self, fleets: Fleets = FLEETS) -> None:
        super().__init__(fleets)
        self.printed: list[str] = []
        self.jobs: dict[str, JobShards] = {}
        """What batch jobs ask, by the names that fleets' rows have for them."""
        self.ticks.on = True
        self.registry: OneProcess | None = None

    def tick(self, seconds: float = 60) -> dict[str, object]:
        """Let so much time pass, then tick."""
        self.clock.pass_seconds(seconds)
        return Tick(
            control=self.environment(),
            store=self.requests,
            write=self.printed.append,
            jobs=self,
            registry=self.registry,
            clock=self.clock,
        ).tick()

    def find_shards(self, job: str) -> JobShards | None:
        return self.jobs.get(job)

    def run_job(self, left: int, at_once: int = 10) -> None:
        """Let the shards of a job run."""
        self.jobs["job:1"] = JobShards("textgen", left, at_once)
        self.control.add_job("gpu", "job:1")

    def fall_asleep(self) -> None:
        """Put the fleet to sleep with a tick."""
        self.set_state(machines=1, woken=at(-900), ticked=at(-1), idle_since=at(-900))
        self.tick(0)
        assert self.state().asleep


def test_it_asks_for_the_machines_that_are_needed() -> None:
    stage = Stage()
    stage.set_state(machines=1, woken=at(-300), ticked=at(0), seconds_per_request=2.0)
    for number in range(90):
        stage.submit(f"r{number}")

    told = stage.tick()

    assert stage.machines.asked == [("gpu", stage.state().machines, "spot")]
    assert stage.state().machines == 4, "all that the fleet may have"
    assert told["goes_on"] is True
    assert told["fleets"] == [
        {
            "fleet": "gpu",
            "machines": 4,
            "capacity": "spot",
            "reason": stage.state().reason,
        }
    ]


@pytest.mark.parametrize("paused", [(), ("resnet",)])
def test_a_long_backlog_is_counted_and_comes_to_the_same_decision(paused: tuple[str, ...]) -> None:
    rows, published = [], []
    for listed in (LISTED, 5):
        stage = Stage()
        stage.set_state(machines=1, woken=at(-300), ticked=at(0), seconds_per_request=3.0)
        stage.set_state(paused=paused)
        stage.requests.listed = listed
        for number in range(40):
            stage.submit(f"r{number:02}", model=("textgen", "resnet", "vision", "gone")[number % 4])
            stage.clock.pass_seconds(1)

        stage.tick()

        rows.append(stage.state())
        published.append(stage.printed)
    assert rows[0].open_before == (10 if paused else 20)
    assert rows[0] == rows[1]
    assert published[0] == published[1]


def test_it_asks_again_every_minute_so_that_a_crash_between_row_and_machines_is_mended() -> None:
    stage = Stage()
    stage.set_state(machines=2, woken=at(-300), ticked=at(0), less_since=at(50))
    stage.states.report(worker(holding=1))

    stage.tick()

    assert stage.machines.asked == [("gpu", 2, "spot")]


def test_it_publishes_the_metrics_of_awake_fleets() -> None:
    stage = Stage()
    stage.set_state(machines=1, woken=at(-300), ticked=at(0))
    stage.submit("r1")

    stage.tick()

    (line,) = (json.loads(line) for line in stage.printed)
    assert (line["Fleet"], line["OldestAge"], line["Open"], line["Machines"]) == ("gpu", 60.0, 1, 1)


def test_requests_of_a_paused_model_keep_nobody_awake() -> None:
    stage = Stage()
    stage.set_state(paused=("textgen",))
    stage.submit("r1")

    assert stage.tick()["goes_on"] is False
    assert stage.state().asleep
    assert not stage.ticks.on


def test_requests_of_models_that_are_not_deployed_keep_nobody_awake() -> None:
    stage = Stage()
    stage.submit("r1", model="gone")

    assert stage.tick()["goes_on"] is False


def test_a_request_that_moved_with_its_model_counts_for_the_fleet_that_has_it_now() -> None:
    stage = Stage()
    stage.submit("r1", fleet="before")

    stage.tick()

    assert stage.state().machines == 1


def test_a_sleeping_fleet_with_requests_is_woken() -> None:
    stage = Stage()
    stage.submit("r1")

    assert stage.tick()["goes_on"] is True

    assert stage.state().machines == 1
    assert stage.machines.asked == [("gpu", 1, "spot")]


def test_ticks_go_on_for_one_more_minute_after_a_fleet_has_fallen_asleep() -> None:
    stage = Stage()
    stage.fall_asleep()
    assert stage.ticks.on

    assert stage.tick()["goes_on"] is False
    assert not stage.ticks.on


def test_a_submit_that_believed_the_fleet_awake_is_found_by_the_next_tick() -> None:
    stage = Stage()
    stage.set_state(machines=1, woken=at(-900), ticked=at(-1), idle_since=at(-900))
    submitter = stage.environment()
    submitter.wake("gpu")
    stage.tick(1)
    assert stage.state().asleep
    stage.clock.pass_seconds(3)

    stage.submit("r1")
    submitter.wake("gpu")
    assert stage.state().asleep, "the submitter remembers that it saw it awake"

    stage.tick()
    assert stage.state().machines == 1


def test_a_request_that_comes_while_the_fleet_falls_asleep_wakes_it_at_once() -> None:
    stage = Stage()
    stage.set_state(machines=1, woken=at(-900), ticked=at(-1), idle_since=at(-900))
    save = stage.states.save

    def slow(before: object, after: object) -> bool:
        if not stage.requests.rows:
            stage.submit("r1")
        return save(before, after)  # type: ignore[arg-type]

    stage.states.save = slow  # type: ignore[method-assign, assignment]
    stage.tick(0)

    assert stage.state().machines == 1
    assert stage.machines.asked[-1] == ("gpu", 1, "spot")


def test_somebody_who_wakes_a_fleet_while_the_ticks_are_switched_off_has_them_on() -> None:
    stage = Stage()
    stage.fall_asleep()
    stage.ticks.before_off = lambda: stage.environment().wake("gpu")

    assert stage.tick()["goes_on"] is True

    assert stage.state().machines == 1
    assert stage.ticks.on


def test_a_crash_after_the_row_fell_asleep_leaves_no_machine_behind() -> None:
    stage = Stage()
    stage.set_state(machines=0, woken=at(-900), slept=at(59))

    stage.tick()

    assert stage.machines.asked == [("gpu", 0, "spot")]
    assert stage.ticks.on


def test_a_fleet_with_a_minimum_keeps_ticking() -> None:
    stage = Stage(Fleets({"gpu": replace(GPU, minimum=1)}))
    stage.set_state(machines=1, woken=at(-900), idle_since=at(-9000), ticked=at(0))

    assert stage.tick()["goes_on"] is True
    assert stage.state().machines == 1


def test_requests_of_a_sagemaker_fleet_are_handed_over_after_a_recount() -> None:
    stage = Stage()
    stage.submit("r1", model="vision", fleet="managed")

    stage.tick()

    assert stage.dispatcher.asked == [("managed", True)]
    assert stage.state("managed").machines == 1
    assert stage.machines.asked == []
    assert stage.ticks.on


def test_a_sagemaker_fleet_sleeps_when_nothing_was_asked_for_its_idle_time() -> None:
    stage = Stage()
    stage.submit("r1", model="vision", fleet="managed")
    stage.tick()
    stage.requests.rows.clear()
    for _ in range(6):
        stage.tick()

    assert stage.state("managed").asleep
    assert stage.dispatcher.asked == [("managed", True)]
    assert stage.tick()["goes_on"] is False


def test_what_is_open_between_two_looks_of_one_tick_is_not_forgotten() -> None:
    stage = Stage()
    stage.fall_asleep()
    looks = iter([[], [], ["r1"]])
    listed = stage.requests.open

    def late() -> object:
        if next(looks, None):
            stage.submit("r1")
        return listed()

    stage.requests.open = late  # type: ignore[method-assign, assignment]

    assert stage.tick()["goes_on"] is True
    assert stage.ticks.on


@pytest.mark.parametrize("seconds", [1, 29])
def test_nobody_is_settled_who_has_just_fallen_asleep(seconds: float) -> None:
    stage = Stage()
    stage.fall_asleep()

    assert stage.tick(seconds)["goes_on"] is True


def test_ticks_come_late_and_twice() -> None:
    stage = Stage()
    stage.set_state(machines=1, woken=at(-300), ticked=at(0))
    stage.submit("r1")

    stage.tick(60)
    once = stage.state()
    stage.tick(1)

    assert stage.state().machines == once.machines
    assert stage.state().ticked == once.ticked == at(60)


def test_a_batch_job_wakes_a_fleet_with_machines_for_its_shards() -> None:
    stage = Stage()
    stage.ticks.on = False
    stage.run_job(left=13)
    assert stage.ticks.on
    assert stage.state().asleep, "the next tick gives it machines"

    assert stage.tick()["goes_on"] is True

    assert stage.state().machines == 3
    assert stage.machines.asked == [("gpu", 3, "spot")]
    assert "13 shards of batch jobs on 3 machines" in stage.state().reason


def test_a_batch_job_keeps_its_fleet_awake_until_it_has_ended() -> None:
    stage = Stage()
    stage.run_job(left=1)
    for _ in range(30):
        stage.tick()
        assert stage.state().machines == 1
    del stage.jobs["job:1"]
    for _ in range(6):
        stage.tick()
    assert stage.state().asleep
    assert stage.state().jobs == ()
    assert stage.tick()["goes_on"] is False


def test_shards_of_a_paused_model_wait_until_it_is_resumed() -> None:
    stage = Stage()
    stage.set_state(paused=("textgen",))
    stage.run_job(left=1)
    assert stage.tick()["goes_on"] is False
    assert stage.state().asleep
    assert stage.state().jobs == ("job:1",)

    stage.control.resume("textgen")
    assert stage.ticks.on
    assert stage.tick()["goes_on"] is True
    assert stage.state().machines == 1


def test_a_job_that_begins_while_its_fleet_falls_asleep_wakes_it_at_once() -> None:
    stage = Stage()
    stage.set_state(machines=1, woken=at(-900), ticked=at(-1), idle_since=at(-900))
    save = stage.states.save

    def slow(before: object, after: object) -> bool:
        if not stage.jobs:
            stage.run_job(left=1)
        return save(before, after)  # type: ignore[arg-type]

    stage.states.save = slow  # type: ignore[method-assign, assignment]
    stage.tick(0)

    assert stage.state().machines == 1
    assert stage.state().jobs == ("job:1",)


def test_a_job_that_begins_while_the_ticks_are_switched_off_has_them_on() -> None:
    stage = Stage()
    stage.fall_asleep()
    stage.ticks.before_off = lambda: stage.run_job(left=1)

    assert stage.tick()["goes_on"] is True

    assert stage.ticks.on
    assert stage.tick()["goes_on"] is True
    assert stage.state().machines == 1


def test_a_job_that_ended_while_its_fleet_slept_is_forgotten() -> None:
    stage = Stage()
    stage.set_state(jobs=("gone:1",))
    stage.tick()
    assert (stage.state().machines, stage.state().jobs) == (0, ())


def test_a_rollout_on_two_machines_has_two_and_the_row_says_who_holds_the_candidate() -> None:
    gpu = replace(GPU, paired=("textgen",))
    stage = Stage(Fleets({**FLEETS.by_name, "gpu": gpu}))
    stage.registry = OneProcess({"textgen": Route("1", "2", 10, "r1")})
    stage.set_state(machines=1, woken=at(-300), ticked=at(0))
    stage.states.report(worker("w1"))
    stage.submit("r1")
    stage.tick()
    assert (stage.state().machines, stage.state().holders) == (2, "")
    stage.states.report(worker("w2", started=at(60)))
    stage.submit("r2")
    stage.tick()
    assert read_holders(stage.state().holders) == {"textgen": Holders("r1", ("w2",))}
    stage.registry.routes["textgen"] = Route("2")
    stage.tick()
    assert stage.state().holders == ""
