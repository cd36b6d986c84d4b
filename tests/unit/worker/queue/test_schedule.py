"""Which requests are gathered, whose turn it is, and what the worker takes of its queues."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from serval.fleets.state import FleetState
from serval.inference.loaded import MEMORY_PER_ARTIFACT, Limits
from tests.fakes.inference import signature
from tests.fakes.worker import LEASE, Scripted, Stepped, World, row_of


def bundle(world: World, model: str, **batching: int) -> None:
    """Publish a version with a ``batching`` section, and have the worker know it."""
    world.registry.batching = {"max_wait_ms": 0, **batching}
    world.registry.add(model, "2", 1.0)


def test_requests_of_other_shapes_have_a_run_of_their_own(world: World, worker: Stepped) -> None:
    world.registry.add("textgen", "2", 1.0, signature("FP32", [-1, -1]))
    three = row_of(1.0).replace(b"[1, 2]", b"[1, 3]").replace(b"[1.0, 0.0]", b"[1.0, 0.0, 0.0]")
    for number in range(4):
        world.submit(f"r{number}", payload=three if number % 2 else row_of(1.0))
    worker.work()
    assert world.runs == [2, 2]
    assert all(row.status == "succeeded" for row in world.store.rows.values())


def test_requests_for_other_versions_have_a_run_of_their_own(world: World, worker: Stepped) -> None:
    world.registry.add("textgen", "2", 1.0)
    for number in range(4):
        world.submit(f"r{number}", wanted=str(1 + number % 2))
    worker.work()
    assert world.runs == [2, 2]


def test_a_batch_has_at_most_the_rows_that_its_bundle_allows(world: World, worker: Stepped) -> None:
    bundle(world, "textgen", max_batch_size=4)
    for number in range(5):
        world.submit(f"r{number}", payload=row_of(1.0, 2.0))
    world.submit("large", payload=row_of(*[1.0] * 9))
    worker.work()
    assert sorted(world.runs) == [2, 4, 4, 9]


def test_a_version_whose_outputs_do_not_follow_its_inputs_is_never_joined_again(
    world: World, worker: Stepped, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Scripted.run

    def summed(self, inputs, outputs):
        [output] = run(self, inputs, outputs)
        return [type(output)(output.name, output.datatype, output.array.sum(0, keepdims=True))]

    monkeypatch.setattr(Scripted, "run", summed)
    world.submit("r1", "r2")
    worker.work()
    assert world.runs == [2, 1, 1]
    world.runs.clear()
    world.submit("r3", "r4")
    worker.work()
    assert world.runs == [1, 1]


def test_a_light_model_does_not_wait_for_a_backlog(world: World, worker: Stepped) -> None:
    bundle(world, "textgen", max_batch_size=2)
    world.during = lambda: world.clock.pass_seconds(1.0)
    world.submit(*(f"h{number}" for number in range(40)))
    for _ in range(5):
        worker.fetch()
        worker.prepare()
        worker.run()
    worker.fetch()
    assert worker.prepare()
    world.submit("light", model="resnet")
    worker.fetch()
    assert worker.prepare()
    worker.run()
    assert world.row("light").status == "succeeded"


def test_the_runner_waits_a_moment_for_a_batch_whose_turn_is_before_the_ready_one(
    world: World, worker: Stepped
) -> None:
    schedule = worker.worker.schedule
    world.during = lambda: world.clock.pass_seconds(1.0)
    world.submit("before")
    worker.work()
    world.submit("heavy")
    worker.fetch()
    assert worker.prepare()
    schedule.prepare_seconds = 5.0
    world.submit("light", model="resnet")
    worker.fetch()
    turn = schedule.take_turn()
    assert turn is not None
    with ThreadPoolExecutor(1) as runner:
        started = runner.submit(schedule.await_batch, 0)
        batch = worker.worker.prepare.prepare(turn)
        assert not started.done()
        assert schedule.offer(turn, batch, 0.0)
        assert started.result(timeout=10) is batch


def test_one_batch_is_prepared_ahead_and_no_more(world: World, worker: Stepped) -> None:
    bundle(world, "textgen", max_batch_size=2)
    world.submit("known")
    worker.work()
    world.submit(*(f"r{number}" for number in range(20)))
    worker.fetch()
    worker.prepare()
    assert worker.worker.schedule.await_batch(0) is not None
    for _ in range(5):
        worker.fetch()
        worker.prepare()
    begun = [row for row in world.store.rows.values() if row.status == "running"]
    assert len(begun) == 4
    assert len(worker.worker.drain.holdings) == 6


def test_a_lone_request_waits_for_company_as_long_as_its_bundle_allows(
    world: World, worker: Stepped
) -> None:
    bundle(world, "textgen", max_wait_ms=500)
    world.submit("known")
    worker.work()
    world.submit("first")
    worker.fetch()
    schedule = worker.worker.schedule
    assert schedule.take_turn() is None
    world.clock.pass_seconds(0.4)
    world.submit("second")
    worker.fetch()
    assert schedule.take_turn() is None
    world.clock.pass_seconds(0.1)
    turn = schedule.take_turn()
    assert turn is not None
    batch = worker.worker.prepare.prepare(turn)
    assert batch is not None
    assert len(batch.held) == 2


def test_who_has_company_enough_waits_no_longer(world: World, worker: Stepped) -> None:
    bundle(world, "textgen", max_wait_ms=500, max_batch_size=2)
    world.submit("known")
    worker.work()
    world.submit("first", "second")
    worker.fetch()
    assert worker.worker.schedule.take_turn() is not None


def test_while_something_runs_a_batch_that_is_not_full_waits_until_its_end_is_near(
    world: World, worker: Stepped
) -> None:
    world.during = lambda: world.clock.pass_seconds(10.0)
    world.submit("known")
    worker.work()
    world.submit("running")
    worker.fetch()
    worker.prepare()
    assert worker.worker.schedule.await_batch(0) is not None
    world.submit("next")
    worker.fetch()
    world.clock.pass_seconds(5)
    assert worker.worker.schedule.take_turn() is None
    world.clock.pass_seconds(4.96)
    assert worker.worker.schedule.take_turn() is not None


def test_the_worker_holds_a_batch_more_than_it_has_begun(world: World, worker: Stepped) -> None:
    bundle(world, "textgen", max_batch_size=4)
    world.submit("known")
    worker.work()
    world.submit(*(f"r{number}" for number in range(50)))
    for _ in range(10):
        worker.fetch("textgen")
    assert len(worker.worker.drain.holdings) == 4


def test_a_paused_model_is_left_alone_and_what_was_taken_goes_back(
    world: World, worker: Stepped
) -> None:
    world.submit("r1")
    world.submit("r2", model="resnet")
    worker.fetch()
    world.states.states["gpu"] = FleetState(fleet="gpu", paused=("textgen",))
    worker.worker.report.report()
    assert world.inbox.visible("textgen") == ["r1"]
    worker.work()
    assert (world.row("r1").status, world.row("r2").status) == ("queued", "succeeded")
    world.states.states["gpu"] = FleetState(fleet="gpu")
    worker.worker.report.report()
    worker.work()
    assert world.row("r1").status == "succeeded"


def test_messages_are_hidden_for_a_lease(world: World, worker: Stepped) -> None:
    world.submit("r1")
    worker.fetch()
    world.clock.pass_seconds(LEASE.total_seconds() - 1)
    assert world.inbox.visible("textgen") == []
    world.clock.pass_seconds(1)
    assert world.inbox.visible("textgen") == ["r1"]


def test_a_version_comes_and_another_one_goes_when_memory_is_short(world: World) -> None:
    bytes_of = [record.artifact_bytes for record in world.registry.records.values()]
    world.limits = Limits(int(max(bytes_of) * MEMORY_PER_ARTIFACT), 2**30)
    worker = world.worker("small")
    for model in ("textgen", "resnet", "textgen"):
        world.submit(f"{model}-{len(world.store.rows)}", model=model)
        worker.work()
        assert worker.worker.report.state(draining=False).loaded == (f"{model}:1",)
    assert all(row.status == "succeeded" for row in world.store.rows.values())
