"""Batch jobs of durable pipelines: their rows are async requests, which shards wait for."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from serval.batch.job.asked_versions import AskedVersions
from serval.batch.job.job import BatchJob
from serval.durable.batch_rows import AGAIN_SECONDS, PATIENCE_SECONDS, RequestedRows
from serval.durable.hand_over import DurablePipeline
from serval.inference.loaded import Loaded
from serval.inference.runtimes import Model
from serval.models.version import ModelVersion
from tests.fakes.batch import BatchStage
from tests.fakes.durable import DurableStage
from tests.fakes.pipelines import publish_pipeline
from tests.fakes.worker import IS_REFUSED

TENSORS = """
name: adding
inputs: [{name: x, datatype: FP32, shape: [-1, 2]}]
durable: true
steps:
  - {name: first, model: one}
  - {name: heavy, model: textgen, input: {x: first.y}}
output: {total: heavy.y}
"""
ANSWERS = TENSORS.replace("{total: heavy.y}", "'{\"sum\": $sum(heavy.y[0])}'")
HANDLED = """
name: adding
inputs: [{name: x, datatype: FP32, shape: [-1, 2]}]
durable: true
steps: [{name: told, model: shelf, input: {inputs: 'x[0][0]'}}]
output: told.inputs
"""
ROWS = b"x_0,x_1\n1,2\n3,4\n5,6\n"
ALL_AGREE = [b"total_0,total_1", b"102.0,103.0", b"104.0,105.0", b"106.0,107.0"]


class Jobs:
    """A stage in memory that has batch jobs, and another that runs durable pipelines."""

    def __init__(self, folder: Path, text: str) -> None:
        self.durable, self.stage = DurableStage(folder), BatchStage()
        self.record = publish_pipeline(self.durable.world.registry, text)
        self.stage.registry.publish(self.record)
        loaded = Loaded.elsewhere(self.record, DurablePipeline(self.record))
        self.stage.work = replace(self.stage.work, load=lambda *_: loaded, ask=self.ask)
        self.pause: Callable[[], object] = self.go_on
        self.before: Callable[[], object] = lambda: None
        """Called when a shard's function has begun."""
        self.seconds = 0.0
        self.waited: list[int] = []

    def ask(
        self,
        record: ModelVersion,
        job: BatchJob,
        may_wait: Callable[[], bool],
        asked: AskedVersions,
    ) -> Model:
        self.before()
        return RequestedRows(
            record=record,
            job=job,
            requests=self.durable.proceed().requests,
            may_wait=may_wait,
            asked=asked,
            pause=lambda _: self.pause(),
            timer=lambda: self.seconds,
        )

    def go_on(self) -> None:
        """Let everything happen that a pipeline's requests lead to."""
        self.durable.finish("adding")

    def run(self, **options: Any) -> BatchJob:
        return self.stage.run(self.stage.upload("rows.csv", ROWS, options))

    def requests(self) -> Counter[str]:
        """Count the requests that were made, by their model."""
        return Counter(row.model for row in self.durable.world.store.rows.values())


def test_a_pipeline_of_tensors_is_asked_for_many_rows_at_once(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path, TENSORS)
    job = jobs.run()
    assert (job.status, job.error, job.rows) == ("succeeded", None, 3)
    assert jobs.stage.output(job, "output.csv").split() == ALL_AGREE
    assert jobs.requests() == {"adding": 1, "textgen": 1}


def test_an_answer_in_json_is_a_request_for_each_row_and_all_are_made_at_once(
    tmp_path: Path,
) -> None:
    jobs, seen = Jobs(tmp_path, ANSWERS), []

    def pause() -> None:
        seen.append(jobs.requests()["adding"])
        jobs.go_on()

    jobs.pause = pause
    job = jobs.run()
    assert (job.status, job.error) == ("succeeded", None)
    assert [json.loads(line) for line in jobs.stage.output(job, "output.jsonl").splitlines()] == [
        {"answer": {"sum": 205}}, {"answer": {"sum": 209}}, {"answer": {"sum": 213}},
    ]  # fmt: skip
    assert seen[0] == 3
    assert jobs.requests() == {"adding": 3, "textgen": 3}


def test_rows_of_a_pipeline_over_a_handler_are_bodies_for_it(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path, HANDLED)
    job = jobs.run()
    assert (job.status, job.error) == ("succeeded", None)
    answers = map(json.loads, jobs.stage.output(job, "output.jsonl").splitlines())
    assert [each["answer"] for each in answers] == [1, 3, 5]
    assert jobs.requests() == {"adding": 3, "shelf": 3}


@pytest.mark.parametrize("text", [TENSORS, ANSWERS])
def test_a_shard_that_waits_for_long_ends_and_goes_on_later_with_the_same_requests(
    tmp_path: Path, text: str
) -> None:
    jobs, outcomes = Jobs(tmp_path, text), []
    step = jobs.stage.step

    def noted(call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        outcomes.append(step(call))
        return outcomes[-1]

    def nothing() -> None:
        jobs.seconds += PATIENCE_SECONDS

    def wake() -> None:
        if any("seconds" in each for each in outcomes):
            jobs.go_on()

    jobs.stage.step, jobs.pause, jobs.before = noted, nothing, wake  # type: ignore[method-assign]
    job = jobs.run()
    assert (job.status, job.error, job.rows) == ("succeeded", None, 3)
    assert [each["seconds"] for each in outcomes if "seconds" in each] == [AGAIN_SECONDS]
    made = jobs.requests()
    assert made == (
        {"adding": 1, "textgen": 1} if text == TENSORS else Counter(adding=3, textgen=3)
    )


def test_a_row_that_is_refused_is_rejected_alone_and_no_other_is_asked_again(
    tmp_path: Path,
) -> None:
    jobs = Jobs(tmp_path, ANSWERS)
    body = ROWS + b"%d,0\n" % IS_REFUSED
    job = jobs.stage.run(jobs.stage.upload("rows.csv", body, {"max_rejected_percent": 50}))
    assert (job.status, job.error, job.rows, job.rejected) == ("succeeded", None, 3, 1)
    [reason] = jobs.stage.output(job, "errors.jsonl").splitlines()
    assert "step 'first': this row is refused" in reason.decode()
    assert jobs.requests() == {"adding": 4, "textgen": 3}


@pytest.mark.parametrize("text", [TENSORS, ANSWERS])
def test_a_job_tells_which_versions_the_steps_of_its_requests_asked(
    tmp_path: Path, text: str
) -> None:
    jobs = Jobs(tmp_path, text)
    job = jobs.run()
    assert job.step_versions == (("first", "1"), ("heavy", "1"))
    assert jobs.stage.summary(job)["step_versions"] == {"first": ["1"], "heavy": ["1"]}


def test_a_job_that_is_cancelled_cancels_what_its_shards_wait_for(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path, ANSWERS)
    jobs.stage.ticker.step = 3.0

    def cancel() -> None:
        [job_id] = jobs.stage.store.rows
        jobs.stage.control.cancel(jobs.stage.job(job_id))

    jobs.pause = cancel
    job = jobs.run()
    assert job.status == "cancelled"
    assert {row.status for row in jobs.durable.world.store.rows.values()} == {"cancelled"}
