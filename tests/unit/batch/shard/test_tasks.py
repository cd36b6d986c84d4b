"""Shards on a fleet's machine: kept alive, given back, and done elsewhere."""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from serval.batch.job.job import ShardRecord
from serval.batch.shard.tasks import (
    LostShards,
    ShardTasks,
    ShardWaits,
    StaleToken,
    TaskHeartbeat,
    shard_of_message,
)
from tests.fakes.batch import BatchStage
from tests.fakes.fleets import at

LINES = b"".join(b'{"x": [%d, 1]}\n' % number for number in range(600))
WAIT_SECONDS = 60.0


@dataclass
class RecordedTasks:
    """``Tasks``: what was said of a token, and which are stale."""

    said: list[tuple[str, ...]] = field(default_factory=list)
    stale: bool = False
    beats: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    found_stale: threading.Event = field(default_factory=threading.Event)

    def heartbeat(self, token: str) -> None:
        self._say("heartbeat", token)
        self.beats.release()

    def succeed(self, token: str, output: Mapping[str, Any]) -> None:
        self._say("succeed", token, json.dumps(output))

    def fail(self, token: str, error: str, cause: str) -> None:
        self._say("fail", token, error, cause)

    def _say(self, *what: str) -> None:
        if self.stale:
            self.found_stale.set()
            raise StaleToken
        self.said.append(what)


@pytest.fixture
def stage() -> BatchStage:
    return BatchStage(measurements={"rows_per_second": 10, "best_batch_size": 8})


@pytest.fixture
def tasks() -> RecordedTasks:
    return RecordedTasks()


def message(stage: BatchStage, **options: Any) -> dict[str, Any]:
    """Give what the state machine sends for the one shard of a job."""
    job = stage.accepting.accept(stage.upload("rows.jsonl", LINES, options), "execution")["job"]
    (line,) = stage._lines(stage.planning.plan(job)["items"])
    return {"shard": line, "model": "adding", "task_token": "token"}


def shard_tasks(stage: BatchStage, tasks: RecordedTasks, **members: Any) -> ShardTasks:
    return ShardTasks(stage.work, stage.store, tasks, beat_seconds=60.0, **members)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"id": "an async request"}', '{"shard": {}, "model": 1, "task_token": "t"}']
)
def test_a_message_of_another_kind_is_told_apart(text: str) -> None:
    assert shard_of_message(text) is None
    body = {"shard": {}, "model": "adding", "task_token": "t"}
    assert shard_of_message(json.dumps(body)) == body


def test_a_shard_is_done_and_said_so(stage: BatchStage, tasks: RecordedTasks) -> None:
    body = message(stage)

    assert shard_tasks(stage, tasks).run(body) == "done"

    assert tasks.said[0] == ("heartbeat", "token")
    assert tasks.said[-1] == ("succeed", "token", "{}")
    record = stage.store.shard(body["shard"]["job"], 0)
    assert record is not None
    assert (record.done, record.rows) == (True, 600)


def test_a_stale_token_means_that_it_is_done_elsewhere(
    stage: BatchStage, tasks: RecordedTasks
) -> None:
    body = message(stage)
    tasks.stale = True

    assert shard_tasks(stage, tasks).run(body) == "stale"
    assert stage.store.shard(body["shard"]["job"], 0) is None


def test_a_shard_whose_version_waits_for_its_turn_on_a_server_comes_again(
    stage: BatchStage, tasks: RecordedTasks
) -> None:
    body = message(stage)
    run = type(stage.model).run

    def has_no_turn(inputs: Any, outputs: Any) -> Any:
        raise ShardWaits

    stage.model.run = has_no_turn
    assert shard_tasks(stage, tasks).run(body) == "unanswered"
    assert {said[0] for said in tasks.said} == {"heartbeat"}
    stage.model.run = lambda inputs, outputs: run(stage.model, inputs, outputs)
    assert shard_tasks(stage, tasks).run(body) == "done"
    record = stage.store.shard(body["shard"]["job"], 0)
    assert record is not None
    assert record.rows == 600


def test_a_token_that_becomes_stale_ends_the_work(stage: BatchStage, tasks: RecordedTasks) -> None:
    body = message(stage)
    stage.ticker.step = 3.0
    run = type(stage.model).run

    def slow(inputs: Any, outputs: Any) -> Any:
        tasks.stale = True
        # The heart beats in a thread of its own.
        assert tasks.found_stale.wait(WAIT_SECONDS)
        return run(stage.model, inputs, outputs)

    stage.model.run = slow
    quick = ShardTasks(stage.work, stage.store, tasks, beat_seconds=0.01)

    assert quick.run(body) == "stale"
    record = stage.store.shard(body["shard"]["job"], 0)
    assert record is not None
    assert not record.done
    assert stage.objects.open_sinks == 0


def test_a_machine_that_is_given_back_leaves_its_work_to_another(
    stage: BatchStage, tasks: RecordedTasks
) -> None:
    body = message(stage)
    blocks: list[int] = []
    run = type(stage.model).run

    def counted(inputs: Any, outputs: Any) -> Any:
        blocks.append(len(inputs[0].array))
        return run(stage.model, inputs, outputs)

    stage.model.run = counted
    first = shard_tasks(stage, tasks, stopping=lambda: len(blocks) > 10)
    assert first.run(body) == "given back"
    done = sum(blocks)
    assert 0 < done < 600
    assert ("succeed", "token", "{}") not in tasks.said

    assert shard_tasks(stage, tasks).run(body) == "done"

    record = stage.store.shard(body["shard"]["job"], 0)
    assert record is not None
    assert (record.rows, len(record.pieces), sum(blocks)) == (600, 2, 600)


def test_a_job_that_was_stopped_is_said_so(stage: BatchStage, tasks: RecordedTasks) -> None:
    body = message(stage)
    stage.control.cancel(stage.job(body["shard"]["job"]))

    assert shard_tasks(stage, tasks).run(body) == "done"
    assert tasks.said[-1][:3] == ("fail", "token", "JobStopped")


def test_what_goes_wrong_is_said_to_the_state_machine(
    stage: BatchStage, tasks: RecordedTasks
) -> None:
    body = message(stage)
    stage.objects.buckets["data-bucket"]["batch/adding/in/rows.jsonl"].clear()

    assert shard_tasks(stage, tasks).run(body) == "done"
    assert tasks.said[-1][:3] == ("fail", "token", "BatchRefused")
    assert "is gone since the job was planned" in tasks.said[-1][3]


def test_a_heart_beats_however_long_a_block_takes(tasks: RecordedTasks) -> None:
    heart = TaskHeartbeat(tasks, "token", 0.01)
    with heart.beating():
        for _ in range(3):
            assert tasks.beats.acquire(timeout=WAIT_SECONDS)
    assert "heart" not in {thread.name for thread in threading.enumerate()}


def test_a_shard_that_cannot_be_read_fails_its_task_and_not_the_worker(
    stage: BatchStage, tasks: RecordedTasks
) -> None:
    body = {"shard": {"job": "j"}, "model": "adding", "task_token": "token"}

    assert shard_tasks(stage, tasks).run(body) == "done"
    assert tasks.said[-1][:2] == ("fail", "token")


def test_who_has_the_message_is_told_with_each_beat(tasks: RecordedTasks) -> None:
    kept = threading.Semaphore(0)
    with TaskHeartbeat(tasks, "token", 0.01, kept.release).beating():
        assert kept.acquire(timeout=WAIT_SECONDS)
        assert tasks.beats.acquire(timeout=WAIT_SECONDS)


def test_a_shard_that_is_given_up_fails_with_its_reason_in_its_row(
    stage: BatchStage, tasks: RecordedTasks
) -> None:
    body = message(stage)
    stage.store.record(ShardRecord(job=body["shard"]["job"], index=0, started=at(0), updated=at(0)))

    LostShards(stage.store, tasks).give_up(body, "5 workers have died of it")

    assert tasks.said[-1] == ("fail", "token", "ShardLost", "5 workers have died of it")
    record = stage.store.shard(body["shard"]["job"], 0)
    assert record is not None
    assert (record.status, record.error) == ("failed", "5 workers have died of it")


def test_a_shard_that_nobody_began_or_waits_for_is_given_up_too(
    stage: BatchStage, tasks: RecordedTasks
) -> None:
    body = message(stage)
    LostShards(stage.store, tasks).give_up(body, "a reason")
    assert tasks.said == [("fail", "token", "ShardLost", "a reason")]
    tasks.stale = True
    LostShards(stage.store, tasks).give_up(body, "a reason")


def test_a_beat_that_is_lost_is_not_the_end() -> None:
    tried = threading.Semaphore(0)

    class Lost(RecordedTasks):
        def heartbeat(self, token: str) -> None:
            tried.release()
            raise OSError("the network")

    heart = TaskHeartbeat(Lost(), "token", 0.01)
    with heart.beating():
        for _ in range(3):
            assert tried.acquire(timeout=WAIT_SECONDS)
    heart.check()
