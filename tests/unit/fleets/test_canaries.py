"""Canaries on two machines: who holds the candidate, and which queues a worker takes."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from serval.fleets.canaries import (
    Holders,
    Sides,
    SplitCanary,
    choose_all,
    choose_holders,
    find_splits,
    read_holders,
    side_of,
    takes,
)
from serval.fleets.state import WorkerState
from serval.models.deployed_fleets import DeployedFleet, Fleets
from serval.models.route import Route
from tests.fakes.fleets import OneProcess, at, worker

CANARY = SplitCanary("textgen", "2", "r1", 10)
FLEET = DeployedFleet(name="gpu", maximum=2, models=("textgen", "other"), paired=("textgen",))
percents = st.integers(1, 99)
crews = st.integers(0, 12).flatmap(
    lambda count: st.permutations([worker(f"w{n}", started=at(n)) for n in range(count)])
)


@given(percents, crews)
def test_a_candidate_has_its_share_of_the_workers_at_least_one_and_never_all(
    percent: int, crew: list[WorkerState]
) -> None:
    holders = choose_holders(replace(CANARY, percent=percent), crew, None)
    if len(crew) < 2:
        assert holders is None, "it would take the stable version's only place"
        return
    assert holders is not None
    assert set(holders.workers) <= {one.worker for one in crew}
    assert 1 <= len(set(holders.workers)) == len(holders.workers) < len(crew)
    share = len(crew) * percent / 100
    assert abs(len(holders.workers) - share) <= 1


@given(percents, percents, crews, st.data())
def test_who_holds_a_candidate_goes_on_while_it_reports(
    before: int, after: int, crew: list[WorkerState], data: st.DataObject
) -> None:
    first = choose_holders(replace(CANARY, percent=before), crew, None)
    left = [one for one in crew if data.draw(st.booleans())]
    second = choose_holders(replace(CANARY, percent=after), left, first)
    if first is None or second is None:
        return
    still = set(first.workers) & {one.worker for one in left}
    assert still <= set(second.workers) or set(second.workers) <= still


def test_the_newest_worker_holds_a_candidate_unless_another_has_it_in_memory() -> None:
    crew = [worker(name, started=at(n)) for n, name in enumerate(("old", "new"))]
    assert choose_holders(CANARY, crew, None) == Holders("r1", ("new",))
    crew[0] = replace(crew[0], loaded=("textgen:2",))
    assert choose_holders(CANARY, crew, None) == Holders("r1", ("old",))
    assert choose_holders(CANARY, crew, Holders("r1", ("new",))) == Holders("r1", ("new",))
    assert choose_holders(CANARY, crew, Holders("r0", ("new",))) == Holders("r1", ("old",))


@given(percents, crews, st.data())
def test_each_queue_is_read_by_some_worker_whatever_the_row_says(
    percent: int, crew: list[WorkerState], data: st.DataObject
) -> None:
    canary = replace(CANARY, percent=percent)
    rollout = data.draw(st.sampled_from(["r0", "r1"]))
    row = choose_all([replace(canary, rollout=rollout)], crew, "")
    sides = [side_of(canary, read_holders(row).get("textgen"), one.worker) for one in crew]
    for track in ("stable", "candidate"):
        assert not crew or any(takes(side, track) for side in sides)
    assert ("candidate" in sides) == (rollout == "r1" and len(crew) > 1)


def test_a_row_names_holders_for_as_long_as_a_rollout_has_a_share() -> None:
    crew = [worker(name, started=at(n)) for n, name in enumerate(("w1", "w2"))]
    row = choose_all([CANARY], crew, "")
    assert read_holders(row) == {"textgen": Holders("r1", ("w2",))}
    assert choose_all([CANARY], crew[:1], row) == "", "one worker is left, for both queues"
    assert choose_all([], crew, row) == ""


def test_two_machines_are_for_a_share_of_a_version_that_fills_one() -> None:
    known = OneProcess()
    for percent, processes, found in ((0, 1, 0), (10, 1, 1), (99, 1, 1), (100, 1, 0), (10, 2, 0)):
        known.processes = processes
        known.routes["textgen"] = Route("1", "2", percent, "r1")
        assert len(find_splits(FLEET, known)) == found, (percent, processes)
    known.processes = 1
    known.routes["textgen"] = Route("1")
    assert not find_splits(FLEET, known)
    del known.routes["textgen"]
    assert not find_splits(FLEET, known), "nothing was published yet"
    known.routes["textgen"] = Route("1", "2", 10, "r1")
    assert not find_splits(replace(FLEET, paired=()), known), "there is no queue for it"


def test_a_worker_follows_the_row_that_it_has_read_and_the_route() -> None:
    sides, rolling = Sides("w2", FLEET, OneProcess()), Route("1", "2", 10, "r1")
    assert sides.of("textgen", rolling) == "instead"
    sides.obey(choose_all([CANARY], [worker("w1"), worker("w2", started=at(1))], ""))
    assert sides.of("textgen", rolling) == "candidate"
    assert sides.of("textgen", replace(rolling, rollout="r2")) == "instead"
    assert sides.of("textgen", replace(rolling, percent=100)) == "either"
    assert sides.of("textgen", Route("1")) == "either"
    assert sides.of("other", rolling) == "either"
    sides.obey("")
    assert sides.of("textgen", rolling) == "instead"


def test_which_models_have_two_queues_is_read_as_it_was_written() -> None:
    fleets = Fleets({"gpu": FLEET})
    assert Fleets.from_text(fleets.to_text()) == fleets
