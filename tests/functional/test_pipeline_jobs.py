"""Batch jobs of pipelines: rows in, tensors or answers in JSON out."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.camera import build as camera
from serval.batch.job.job import BatchJob
from serval.models.route import Route
from serval.models.signature import Signature, TensorSpec
from tests.fakes.batch import BatchStage, scheduled
from tests.fakes.inference import TWO_COLUMNS, Bench, plus
from tests.fakes.pipelines import publish_pipeline, ready_bench

CHAIN = """
name: adding
inputs: [{name: x, datatype: FP32, shape: [-1, 2]}]
steps:
  - {name: first, model: one}
  - {name: second, model: ten, input: {x: first.y}}
output: {total: second.y}
"""
SUM = CHAIN.replace("{total: second.y}", '\'{"sum": $sum(second.y[0]), "rows": $count(x)}\'')
MOOD = """
name: adding
inputs: [{name: text, datatype: BYTES, shape: [1]}]
steps:
  - {name: mood, model: sentiment}
output: '{"text": text, "mood": $lowercase(mood[0].label)}'
"""
PEOPLE = """
name: adding
inputs: [{name: image, datatype: BYTES, shape: [1]}]
steps: [{name: seen, model: camera}]
output: '{"people": $count(seen[label = "person"])}'
"""
ROWS = b"x_0,x_1\n1,2\n3,4\n5,6\n"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return ready_bench(tmp_path)


def run(
    bench: Bench, text: str, name: str, body: bytes, **options: Any
) -> tuple[BatchStage, BatchJob]:
    """Run a job of a pipeline over an upload."""
    stage = BatchStage()
    stage.registry.publish(publish_pipeline(bench.edge, text))
    stage.work = replace(stage.work, load=bench.endpoint.inference.loaded.get)
    return stage, stage.run(stage.upload(name, body, options))


def test_a_pipeline_of_tensors_runs_over_many_rows_at_once(bench: Bench) -> None:
    stage, job = run(bench, CHAIN, "rows.csv", ROWS)
    assert (job.status, job.error, job.rows) == ("succeeded", None, 3)
    assert stage.output(job, "output.csv").split() == [
        b"total_0,total_1", b"12.0,13.0", b"14.0,15.0", b"16.0,17.0",
    ]  # fmt: skip
    assert len(stage.work.load("adding", "1").model.times.steps_ms) == 2  # type: ignore[attr-defined]


def test_an_answer_in_json_is_one_row_s(bench: Bench) -> None:
    stage, job = run(bench, SUM, "rows.csv", ROWS)
    assert (job.status, job.error) == ("succeeded", None)
    assert [json.loads(line) for line in stage.output(job, "output.jsonl").splitlines()] == [
        {"answer": {"sum": 25, "rows": 1}},
        {"answer": {"sum": 29, "rows": 1}},
        {"answer": {"sum": 33, "rows": 1}},
    ]


def test_a_job_tells_which_versions_its_steps_asked(bench: Bench) -> None:
    stage, job = run(bench, CHAIN, "rows.csv", ROWS)
    assert job.step_versions == (("first", "1"), ("second", "1"))
    assert stage.summary(job)["step_versions"] == {"first": ["1"], "second": ["1"]}


def test_a_job_during_which_a_rollout_ends_tells_both_versions(bench: Bench) -> None:
    bench.edge.publish("ten", "2", plus(20), TWO_COLUMNS)
    bench.edge.routes["ten"] = Route("1")
    numbers = iter(["1", "2", "2"])
    stage = BatchStage()
    stage.registry.publish(publish_pipeline(bench.edge, SUM))
    load = bench.endpoint.inference.loaded.get
    model: Any = load("adding", "1").model
    model.stable = lambda name: "1" if name == "one" else next(numbers)
    stage.work = replace(stage.work, load=load)
    job = stage.run(stage.upload("rows.csv", ROWS, {}))
    answers = stage.output(job, "output.jsonl").splitlines()
    assert [json.loads(line)["answer"]["sum"] for line in answers] == [25, 49, 53]
    assert stage.summary(job)["step_versions"] == {"first": ["1"], "second": ["1", "2"]}


def test_what_a_rejected_row_asked_is_told_too(bench: Bench) -> None:
    picky = SUM.replace("$sum(second.y[0])", 'second.y[0][0] > 15 ? $number("none") : 1')
    picky = picky.replace("model: ten, ", "model: ten, when: 'x[0][0] > 4', ")
    _, job = run(bench, picky, "rows.csv", ROWS, max_rejected_percent=100)
    assert job.rejected
    assert ("second", "1") in job.step_versions


def test_a_column_of_texts_goes_through_a_step_with_a_task(bench: Bench) -> None:
    stage, job = run(bench, MOOD, "texts.jsonl", b'{"text": "good good"}\n{"text": "bad"}\n')
    assert (job.status, job.error) == ("succeeded", None)
    found = [json.loads(line) for line in stage.output(job, "output.jsonl").splitlines()]
    assert [one["answer"]["text"] for one in found] == ["good good", "bad"]
    assert all(one["answer"]["mood"] for one in found)


def test_a_row_that_a_step_fails_on_is_rejected_alone(bench: Bench) -> None:
    picky = SUM.replace("$sum(second.y[0])", 'second.y[0][0] > 15 ? $number("none") : 1')
    stage, job = run(bench, picky, "rows.csv", ROWS, max_rejected_percent=50)
    assert (job.status, job.error, job.rows, job.rejected) == ("succeeded", None, 2, 1)
    [reason] = stage.output(job, "errors.jsonl").splitlines()
    assert "model 'adding' version '1' failed: output:" in reason.decode()


def test_a_prefix_of_images_goes_through_a_step_that_sees_them(bench: Bench) -> None:
    sides = Signature(
        (TensorSpec("images", "FP32", (1, 3, 256, 256)),),
        (TensorSpec("boxes", "FP32", (1, 20, 6)),),
    )
    task = {"name": "object-detection", "labels": ["person", "animal"], "layout": "yolo-nms"}
    graph = camera.export().SerializeToString()
    bench.edge.publish_task("camera", graph, sides, task)
    stage = BatchStage()
    stage.registry.publish(publish_pipeline(bench.edge, PEOPLE))
    stage.work = replace(stage.work, load=bench.endpoint.inference.loaded.get)
    drawn = [camera.draw(seed) for seed in range(3)]
    for index, (picture, _) in enumerate(drawn):
        stage.objects.upload(f"s3://in-bucket/shots/{index}.jpg", picture)
    job = stage.run(scheduled("s3://in-bucket/shots/"))
    assert (job.status, job.error, job.rows) == ("succeeded", None, 3)
    found = [json.loads(line) for line in stage.output(job, "output.jsonl").splitlines()]
    people = [sum(one["label"] == "person" for one in truth) for _, truth in drawn]
    assert [one["answer"]["people"] for one in found] == people
