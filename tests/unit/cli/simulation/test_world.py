"""A simulated fleet: what the real decisions come to, on machines that are not."""

from dataclasses import replace
from typing import Any

import pytest

from serval.models.deployed_fleets import DeployedFleet
from serval_cli.simulation.arrivals import open_trace
from serval_cli.simulation.assumptions import Assumptions
from serval_cli.simulation.figures import compute_figures
from serval_cli.simulation.fleet_choice import default_fleet
from serval_cli.simulation.world import World

pytestmark = pytest.mark.slow

CALM = Assumptions(reclaims_per_hour=0.0, spread=0.0)


def run_world(
    times: list[float], given: Assumptions = CALM, seed: int = 1, **members: Any
) -> World:
    world = World(replace(default_fleet(), **members), given, seed)
    world.run(times, lambda at: None)
    return world


def simulate(
    trace: str, hours: float, seed: int = 1, given: Assumptions | None = None, **members: Any
) -> dict[str, Any]:
    opened = open_trace(trace, hours, seed)
    fleet: DeployedFleet = replace(default_fleet(), **members)
    world = World(fleet, given or Assumptions(), seed)
    world.run(opened.times, lambda at: None)
    return compute_figures(world, opened)


def test_an_evening_holds_its_age_target_from_the_first_second_with_one_machine_that_stays() -> (
    None
):
    age = simulate("evening:250", 4, seed=2, minimum=1)["age"]

    assert (age["late_seconds"], age["held_percent_of_minutes"]) == (0, 100.0)


def test_one_seed_is_one_world() -> None:
    assert simulate("evening:100", 2, seed=7) == simulate("evening:100", 2, seed=7)
    assert simulate("evening:100", 2, seed=7) != simulate("evening:100", 2, seed=8)


def test_one_request_wakes_a_machine_that_goes_again() -> None:
    world = run_world([10.0])

    (latency,) = world.requests.latencies
    assert 180 + 2 <= latency <= 240 + 2
    assert (world.wakes, world.row.state.machines, world.rule.on) == (1, 0, False)
    assert world.pool.machines == []
    bill = world.pool.bill
    assert bill.of(use="running") == 2.0
    assert 300 <= bill.of(use="idle") <= 420, "its idle time, and a tick"
    assert bill.of(use="empty") == 900.0
    assert bill.of(capacity="on-demand") == 0.0


def test_a_machine_that_is_still_there_starts_faster() -> None:
    first = run_world([0.0])
    end = max(sample.at for sample in first.samples)
    assert end > 900

    world = run_world([0.0, 800.0])

    assert world.wakes == 2
    assert world.requests.latencies[1] == pytest.approx(45 + 2)


def test_a_reclaimed_machine_gives_back_what_it_had_and_another_comes() -> None:
    often = replace(CALM, reclaims_per_hour=20.0, seconds_per_request=30.0)
    world = run_world([float(second) for second in range(0, 3600, 30)], often)

    assert world.pool.reclaims > 5
    assert world.requests.given_back > 0
    assert len(world.requests.latencies) == 120
    assert not world.requests.running


def test_batches_share_a_run() -> None:
    burst = [0.0] * 80
    alone, together = (
        run_world(burst, maximum=1),
        run_world(burst, replace(CALM, batch=8), maximum=1),
    )

    assert alone.pool.bill.of(use="running") == pytest.approx(80 * 2.0)
    assert together.pool.bill.of(use="running") == pytest.approx(10 * 2.0 * (1 + 7 * 0.3))


def test_while_there_are_no_spot_machines_others_come() -> None:
    short = replace(CALM, shortage_seconds=(0.0, 7200.0))
    world = run_world([float(second) for second in range(0, 3600, 10)], short)

    assert world.pool.turns >= 1
    assert world.pool.bill.of(capacity="on-demand") > 0
    assert len(world.requests.latencies) == 360
    assert max(world.requests.latencies) < 1200


def test_a_shortage_is_not_paid_for() -> None:
    world = run_world([0.0], replace(CALM, shortage_seconds=(0.0, 300.0)))

    assert world.pool.bill.of(use="starting") <= 240
    assert world.requests.latencies[0] >= 300 + 180


def test_machines_that_stay_are_there_from_the_beginning() -> None:
    world = run_world([5.0], minimum=2)

    assert world.requests.latencies == [2.0]
    assert world.row.state.machines == 2
    assert world.rule.on


def test_no_machine_is_lost_or_invented() -> None:
    trace = open_trace("evening:200", 2, 3)
    world = run_world(list(trace.times), Assumptions(reclaims_per_hour=1.0), 3)

    assert world.pool.machines == []
    assert len(world.requests.latencies) == len(world.requests.came)
    bill = world.pool.bill
    assert bill.of() == pytest.approx(
        sum(bill.of(use=use) for use in ("running", "idle", "starting", "empty"))  # type: ignore[arg-type]
    )
    assert bill.of(use="running") >= 2 * 0.98 * len(world.requests.came)
    assert bill.of(use="idle") > 0
