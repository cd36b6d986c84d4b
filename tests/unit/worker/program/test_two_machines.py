"""A rollout on two machines, each beside a server whose process holds one version."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from serval.fleets.canaries import choose_all, find_splits
from serval.inference.runtimes import RuntimeFailed
from serval.models.route import Route
from tests.fakes.emulator import first_of_free_ports
from tests.fakes.versioned_servers import Files, processes, publish, worker_beside
from tests.fakes.worker import Stepped, World

pytestmark = pytest.mark.slow

ONE: dict[str, Any] = {"kind": "http", "protocol": "openai", "server": "lmi", "port": 1}
PROMPT = {"name": "prompt", "datatype": "BYTES", "shape": [1], "data": ["hi"]}
BODY = json.dumps({"inputs": [PROMPT]}).encode()
GOOD = {"outputs": [{"name": "text", "datatype": "BYTES", "shape": [1], "data": ["good"]}]}
GOLDEN = json.dumps({"request": {"inputs": [PROMPT]}, "response": GOOD}).encode()
REQUESTS = 100


@dataclass
class Pair:
    """Two workers, and what a tick would do for them."""

    world: World
    workers: tuple[Stepped, Stepped]

    def route(self, stable: str, candidate: str | None = None, percent: int = 0) -> None:
        """Set the route, as every worker knows it a little later."""
        self.world.registry.routes["textgen"] = Route(stable, candidate, percent, "rollout", 2)
        self.world.clock.pass_seconds(6)

    def tick(self) -> None:
        """Name who holds the candidate, and let everybody read it."""
        for one in self.workers:
            one.worker.report.report()
        before = self.world.states.find("gpu")
        fleet = self.world.sides("any").fleet
        canaries = find_splits(fleet, self.world.registry)
        present = self.world.states.workers("gpu")
        after = replace(before, holders=choose_all(canaries, present, before.holders))
        self.world.states.save(before, after)
        for one in self.workers:
            one.worker.report.report()

    def ask(self, count: int = REQUESTS, **members: Any) -> Counter[str]:
        """Ask; count the answers, each of which has to come from the version that its row names."""
        ids = [f"r{len(self.world.store.rows) + number}" for number in range(count)]
        for request_id in ids:
            self.world.submit(request_id, payload=BODY, **members)
        while sum(one.work() for one in self.workers):
            pass
        assert not any(self.world.inbox.queues.values()), "no message is left"
        return Counter(self.world.result(request_id)[0] for request_id in ids)


class Broken:
    """A model that fails, whatever it is given."""

    def run(self, *given: Any) -> Any:
        raise RuntimeFailed("it cannot")


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    world = World(tmp_path, models=("textgen",), paired=("textgen",))
    for version, text in (("1", "old"), ("2", "good"), ("3", "bad")):
        publish(world, version, text, ONE, golden="golden.jsonl")
    folders = [tmp_path / name / "models" for name in ("left", "right")]
    for folder in folders:
        folder.mkdir(parents=True)
    files = Files(world, GOLDEN)
    with processes(folders[0]), processes(folders[1]):
        left, right = (
            worker_beside(world, folder, files, folder.parent.name, first_of_free_ports())
            for folder in folders
        )
        yield Pair(world, (left, right))


def test_the_shares_of_a_rollout_are_those_of_the_answers_and_a_rollback_rolls_back(
    pair: Pair,
) -> None:
    pair.route("1")
    pair.tick()
    assert pair.ask() == {"old": REQUESTS}
    pair.route("1", "2", 10)
    assert pair.ask() == {"old": REQUESTS}, "nobody is named yet"
    shares = []
    for percent in (10, 50):
        pair.route("1", "2", percent)
        pair.tick()
        shares.append(pair.ask()["good"])
        held = [one.worker.report.state(draining=False).loaded for one in pair.workers]
        assert sorted(held) == [("textgen:1",), ("textgen:2",)], "each holds one of them"
    assert 2 <= shares[0] <= 25 < shares[1] <= 70
    pair.route("1", "2", 100)
    assert pair.ask() == {"good": REQUESTS}
    pair.route("1")
    assert pair.ask() == {"old": REQUESTS}
    pair.route("2")
    pair.tick()
    assert pair.ask() == {"good": REQUESTS}
    tracks = Counter({one["Track"]: one["Errors"] for one in pair.world.metrics()})
    assert not tracks["candidate"]
    assert not tracks["stable"]


def test_who_names_a_version_is_answered_by_it(pair: Pair) -> None:
    pair.route("1", "2", 50)
    pair.tick()
    assert pair.ask(5, wanted="1") == {"old": 5}
    assert pair.ask(5, wanted="2") == {"good": 5}


@pytest.mark.parametrize("attempts", [1, 3])
def test_a_candidate_that_fails_is_counted_and_the_stable_version_answers(
    pair: Pair, attempts: int
) -> None:
    pair.route("1", "3", 50)
    pair.tick()
    assert pair.ask(20, max_attempts=attempts) == {"old": 20}
    for one in pair.workers:
        one.worker.counts.flush()
    errors = [one["Errors"] for one in pair.world.metrics() if one["Track"] == "candidate"]
    assert 2 <= sum(errors) <= 18, "its share, by two workers or one"


@pytest.mark.parametrize("attempts", [1, 3])
def test_what_a_candidate_fails_at_is_the_stable_version_s_and_no_attempt_is_charged(
    pair: Pair, attempts: int
) -> None:
    pair.route("1", "2", 50)
    pair.tick()
    pair.ask(20)
    candidate = next(
        one for one in pair.workers if "textgen:2" in one.worker.report.state(draining=False).loaded
    )
    loaded = candidate.worker.runner.memory.loaded.find_loaded("textgen", "2")
    assert loaded is not None

    object.__setattr__(loaded, "model", Broken())
    assert pair.ask(20, max_attempts=attempts) == {"old": 20}
    assert all(row.attempts == 1 for row in pair.world.store.rows.values()), "none is charged"
    candidate.worker.counts.flush()
    errors = [one["Errors"] for one in pair.world.metrics() if one["Track"] == "candidate"]
    assert sum(errors) > 0


def test_what_lies_in_the_candidate_s_queue_is_read_when_its_worker_has_gone(pair: Pair) -> None:
    pair.route("1", "2", 50)
    pair.tick()
    [holder] = [one for one in pair.workers if one.worker.fetch.takes("textgen", "candidate")]
    [other] = [one for one in pair.workers if one is not holder]
    for number in range(20):
        pair.world.submit(f"q{number}", payload=BODY)
    other.work()
    waiting = len(pair.world.inbox.visible("textgen", "candidate"))
    assert 2 <= waiting <= 18
    pair.world.states.remove("gpu", holder.worker.report.worker)
    pair.workers = (other, other)
    pair.tick()
    other.work()
    results = Counter(pair.world.result(f"q{number}")[0] for number in range(20))
    assert results == {"old": 20}
    assert not any(pair.world.inbox.queues.values())
