"""How far a shard is: said while it works, within a block too, and not too often."""

import gzip
from collections.abc import Callable
from typing import Any

import pytest

from serval.batch.job.job import ShardRecord
from tests.fakes.batch import BatchStage


def looked_at(rows: int, seconds_a_run: float, name: str, body: bytes) -> list[ShardRecord]:
    """Work on a file that is one block; give what the shard said of itself meanwhile."""
    stage = BatchStage(measurements={"best_batch_size": 2})
    said: list[ShardRecord] = []
    record = stage.store.record
    stage.store.record = lambda row: said.append(row) or record(row)  # type: ignore[method-assign]
    stage.ticker.step = seconds_a_run
    job = stage.run(stage.upload(name, body))
    assert (job.status, job.rows) == ("succeeded", rows)
    return said


@pytest.mark.parametrize(("name", "pack"), [("x.csv", bytes), ("x.csv.gz", gzip.compress)])
def test_a_shard_says_how_far_it_is_within_a_block(
    name: str, pack: Callable[[bytes], bytes]
) -> None:
    body = pack(b"x_0,x_1\n" + b"1,2\n" * 60)
    said = looked_at(60, 2.0, name, body)
    rows = [row.rows for row in said]
    assert rows == sorted(rows)
    assert len(set(rows)) > 5
    assert all(row.read_bytes <= len(body) for row in said)
    assert said[-1].rows == 60


def test_a_shard_that_is_fast_says_little_of_itself() -> None:
    assert len(looked_at(60, 0.001, "x.csv", b"x_0,x_1\n" + b"1,2\n" * 60)) <= 3


def test_a_job_is_cancelled_within_a_block() -> None:
    stage = BatchStage(measurements={"best_batch_size": 2})
    stage.ticker.step = 2.0
    run = stage.model.run

    def cancelled(inputs: Any, outputs: Any) -> Any:
        if len(stage.model.runs) == 5:
            (job,) = stage.store.rows
            stage.control.cancel(stage.job(job))
        return run(inputs, outputs)

    stage.model.run = cancelled
    job = stage.run(stage.upload("x.csv", b"x_0,x_1\n" + b"1,2\n" * 600))
    assert job.status == "cancelled"
    assert len(stage.model.runs) < 30
