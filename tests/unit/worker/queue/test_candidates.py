"""A candidate on a fleet: what it answers, and what the stable version answers instead."""

from collections import Counter

import pytest

from serval.models.route import Route
from tests.fakes.inference import signature
from tests.fakes.worker import FAILS, Stepped, World, row_of


@pytest.fixture
def rollout(world: World) -> World:
    """Give everyone to a candidate, version 2; version 1 stays the stable one."""
    world.registry.add("textgen", "2", 2.0)
    world.registry.routes["textgen"] = Route("1", "2", 100, "rollout")
    return world


def counted(world: World, worker: Stepped) -> list[tuple[str, int, int]]:
    worker.worker.counts.flush()
    totals: Counter[tuple[str, str]] = Counter()
    for document in world.metrics():
        for name in ("Requests", "Errors"):
            totals[document["Track"], name] += document[name]
    tracks = sorted({track for track, _ in totals})
    return [(track, totals[track, "Requests"], totals[track, "Errors"]) for track in tracks]


def test_the_candidate_answers_and_is_counted_apart(rollout: World, worker: Stepped) -> None:
    rollout.submit("r1", payload=row_of(1.0))
    worker.work()
    assert rollout.result("r1") == [3.0, 2.0]
    assert rollout.row("r1").version == "2"
    assert counted(rollout, worker) == [("candidate", 1, 0)]


def test_what_the_candidate_cannot_run_the_stable_version_answers(
    rollout: World, worker: Stepped
) -> None:
    rollout.broken.add(2.0)
    rollout.submit("r1", "r2", payload=row_of(1.0))
    worker.work()
    assert rollout.result("r1") == rollout.result("r2") == [2.0, 1.0]
    assert (rollout.row("r1").version, rollout.row("r1").attempts) == ("1", 1)
    assert counted(rollout, worker) == [("candidate", 2, 2)]


def test_what_the_candidate_cannot_load_the_stable_version_answers(
    rollout: World, worker: Stepped
) -> None:
    del rollout.registry.artifacts["textgen", "2"]
    rollout.submit("r1")
    worker.work()
    assert rollout.row("r1").version == "1"
    assert counted(rollout, worker) == [("candidate", 1, 1)]


def test_what_cannot_be_loaded_at_the_moment_is_not_held_against_the_candidate(
    rollout: World, worker: Stepped
) -> None:
    rollout.registry.silent = True
    rollout.submit("r1")
    worker.work()
    rollout.registry.silent = False
    assert counted(rollout, worker) == []


def test_what_the_candidate_cannot_read_the_stable_version_answers(
    rollout: World, worker: Stepped
) -> None:
    rollout.registry.add("textgen", "2", 2.0, signature("FP32", [-1, 3]))
    rollout.registry.routes["textgen"] = Route("1", "2", 100, "rollout")
    rollout.submit("r1")
    worker.work()
    assert rollout.row("r1").version == "1"
    assert counted(rollout, worker) == [("candidate", 1, 1)]


def test_what_neither_can_run_is_the_stable_versions_failure(
    rollout: World, worker: Stepped
) -> None:
    rollout.submit("poison", payload=row_of(FAILS))
    worker.work()
    assert "version '1' failed" in (rollout.row("poison").error or "")
    assert counted(rollout, worker) == [("stable", 1, 1)]


def test_what_neither_can_read_is_its_callers_fault(rollout: World, worker: Stepped) -> None:
    rollout.submit("bad", payload=b"{}")
    worker.work()
    assert rollout.row("bad").status == "failed"
    assert counted(rollout, worker) == []


def test_who_asked_for_the_candidate_by_number_gets_its_failure(
    rollout: World, worker: Stepped
) -> None:
    rollout.broken.add(2.0)
    rollout.submit("r1", wanted="2")
    worker.work()
    assert "version '2' failed" in (rollout.row("r1").error or "")
    assert counted(rollout, worker) == [("pinned-candidate", 1, 1)]
