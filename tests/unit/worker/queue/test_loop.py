"""The worker with its threads: it works, it goes when it is told to, and no failure is silent."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from serval.fleets.state import FleetState
from tests.fakes.inbox import Unanswered, WallClock
from tests.fakes.worker import CRASHES, RecordedProtection, World, row_of

WAIT_SECONDS = 60.0


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path, clock=WallClock(), poll_seconds=1)
    made.registry.add("textgen", "1", 1.0)
    made.registry.add("resnet", "1", 10.0)
    return made


def await_that(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < until, "not in time"
        time.sleep(0.002)


@dataclass
class Working:
    """A worker at its work in a thread of its own, which stands for the main thread."""

    world: World
    name: str = "w1"
    ended: list[bool] | None = None

    def __post_init__(self) -> None:
        self.worker = self.world.worker(self.name, self.world.engine()).worker
        self.ended = []
        self.thread = threading.Thread(target=lambda: self.ended.append(self.worker.work()))
        self.thread.start()

    def stop(self) -> bool:
        """Tell it to go; gives whether it went well."""
        self.worker.stop()
        return self.join()

    def join(self) -> bool:
        self.thread.join(WAIT_SECONDS)
        assert self.ended, "the worker does not end"
        return self.ended[0]


@contextmanager
def working(world: World, name: str = "w1") -> Iterator[Working]:
    made = Working(world, name)
    try:
        yield made
    finally:
        made.worker.stop()
        made.thread.join(WAIT_SECONDS)


def ended(world: World) -> bool:
    return not any(row.open for row in world.store.rows.values())


def test_requests_of_all_models_are_answered(world: World) -> None:
    ids = [f"r{number}" for number in range(100)]
    for number, request_id in enumerate(ids):
        model = ("textgen", "resnet")[number % 2]
        world.submit(request_id, model=model, payload=row_of(float(number)))
    with working(world) as made:
        await_that(lambda: ended(world))
        assert made.stop()
    for number, request_id in enumerate(ids):
        assert world.result(request_id)[0] == number + (1.0, 10.0)[number % 2]
    assert not any(world.inbox.queues.values())


def test_a_worker_that_is_stopped_gives_back_at_once_what_it_does_not_run(world: World) -> None:
    running, go_on = threading.Event(), threading.Event()

    def during() -> None:
        running.set()
        assert go_on.wait(WAIT_SECONDS)

    world.during = during
    world.registry.batching = {"max_batch_size": 2, "max_wait_ms": 0}
    world.registry.add("textgen", "2", 1.0)
    ids = [f"r{number}" for number in range(6)]
    world.submit(*ids)
    with working(world) as made:
        assert running.wait(WAIT_SECONDS)
        await_that(lambda: len(made.worker.drain.holdings) == 6)
        made.worker.stop()
        await_that(lambda: len(world.inbox.visible("textgen")) == 4)
        statuses = [world.row(request_id).status for request_id in ids]
        assert statuses == ["running"] * 2 + ["queued"] * 4
        assert all(world.row(request_id).attempts == 0 for request_id in ids[2:])
        go_on.set()
        assert made.join()
    assert [world.row(request_id).status for request_id in ids[:2]] == ["succeeded"] * 2
    assert world.states.workers("gpu") == []


def test_a_run_that_takes_too_long_is_interrupted_and_given_back(world: World) -> None:
    world.intervals = replace(world.intervals, stop_seconds=0.4)
    running = threading.Event()
    with working(world) as made:

        def during() -> None:
            running.set()
            await_that(made.worker.runner._interrupted.is_set)

        world.during = during
        world.submit("r1")
        assert running.wait(WAIT_SECONDS)
        assert made.stop()
    row = world.row("r1")
    assert (row.status, row.attempts) == ("queued", 0)
    assert world.inbox.visible("textgen") == ["r1"]


def test_a_run_that_cannot_be_interrupted_is_given_back_and_left_behind(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serval.worker.queue.drain.UNWIND_SECONDS", 0.05)
    world.intervals = replace(world.intervals, stop_seconds=0.4)
    running, go_on = threading.Event(), threading.Event()

    def during() -> None:
        running.set()
        assert go_on.wait(WAIT_SECONDS)

    world.during = during
    world.submit("r1")
    with working(world) as made:
        assert running.wait(WAIT_SECONDS)
        assert made.stop()
        row = world.row("r1")
        assert (row.status, row.attempts) == ("queued", 0)
        go_on.set()
    assert world.row("r1") == row


def test_a_run_that_kills_its_thread_is_left_to_its_lease_and_the_rest_goes_back(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    world.registry.batching = {"max_batch_size": 1, "max_wait_ms": 0}
    world.registry.add("textgen", "2", 1.0)
    world.submit("poison", payload=row_of(CRASHES))
    with working(world) as made:
        assert not made.join()
    assert "WorkerDied" in capfd.readouterr().err
    row = world.row("poison")
    assert (row.status, row.attempts) == ("running", 1)
    assert world.inbox.visible("textgen") == []


def test_a_worker_outlives_calls_that_are_not_answered(world: World) -> None:
    world.inbox.failing.add("receive")
    world.submit("r1")
    with working(world) as made:
        await_that(lambda: any("receive is not answered" in line for line in world.log))
        assert made.thread.is_alive()
        assert made.stop()
    assert world.row("r1").status == "queued"


def test_a_spot_notice_stops_the_worker(world: World) -> None:
    class Notice:
        given = False

        def due(self) -> bool:
            return self.given

    world.spot = notice = Notice()
    with working(world) as made:
        await_that(lambda: bool(world.states.workers("gpu")))
        notice.given = True
        assert made.join()


def test_leases_are_extended_while_a_run_goes_on(world: World) -> None:
    beats = threading.Event()

    def during() -> None:
        before = world.row("r1").lease_until
        await_that(lambda: world.row("r1").lease_until != before)
        beats.set()

    world.during = during
    world.submit("r1")
    with working(world):
        assert beats.wait(WAIT_SECONDS)
        await_that(lambda: ended(world))
    assert world.row("r1").attempts == 1


def test_the_worker_says_what_it_does(world: World) -> None:
    world.submit("r1", "r2")
    with working(world):
        await_that(lambda: [w.completed for w in world.states.workers("gpu")] == [2])
        [said] = world.states.workers("gpu")
    assert (said.worker, said.accelerator) == ("w1", "CPU (stands in for nvidia)")
    assert (said.loaded, said.holding, said.draining) == (("textgen:1",), 0, False)


def test_a_paused_model_waits(world: World) -> None:
    world.states.states["gpu"] = FleetState(fleet="gpu", paused=("textgen",))
    world.submit("paused")
    world.submit("other", model="resnet")
    with working(world):
        await_that(lambda: world.row("other").status == "succeeded")
        assert world.row("paused").status == "queued"
        world.states.states["gpu"] = FleetState(fleet="gpu")
        await_that(lambda: world.row("paused").status == "succeeded")


def test_protection_is_held_while_there_is_work_and_no_longer(world: World) -> None:
    world.task = task = RecordedProtection()
    world.during = lambda: await_that(lambda: task.asked == ["protect 30"])
    world.submit("r1")
    with working(world) as made:
        await_that(lambda: task.asked == ["protect 30", "release"])
        assert made.stop()
    assert task.asked == ["protect 30", "release"]


def test_a_report_that_is_not_answered_stops_nothing(world: World) -> None:
    report, failed = world.states.report, threading.Event()

    def fails(worker: object) -> None:
        failed.set()
        raise Unanswered

    world.states.report = fails  # type: ignore[method-assign]
    with working(world):
        assert failed.wait(WAIT_SECONDS)
        world.states.report = report  # type: ignore[method-assign]
        await_that(lambda: bool(world.states.workers("gpu")))


def test_metrics_are_printed_while_nobody_calls_any_more(world: World) -> None:
    world.submit("r1")
    with working(world):
        await_that(lambda: bool(world.metrics()))
    [document] = world.metrics()
    assert (document["Model"], document["Track"], document["Requests"]) == ("textgen", "stable", 1)
