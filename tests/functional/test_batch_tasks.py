"""Whole jobs of models with a task: text, images and sound in, labels out."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from serval.batch.job.job import BatchJob
from serval.errors import InvalidInputs
from serval.inference.loaded import Loaded
from serval.models.signature import Signature, TensorSpec
from serval.models.tensor import Tensor
from serval.models.version import ModelVersion
from serval.tasks.parameters import Parameters
from serval.worker.shards.line import ChannelMessage
from serval.worker.shards.process import run_asked
from tests.fakes.batch import BatchStage, scheduled
from tests.fakes.inference import version_record

TOKENS = Signature(
    (TensorSpec("input_ids", "INT64", (-1, -1)),), (TensorSpec("logits", "FP32", (-1, 2)),)
)


class Counting:
    """A task that answers how long its inputs are, and refuses empty ones."""

    accepts = frozenset[str]()
    answers_in_list = False

    def __init__(self, takes: Any) -> None:
        self.takes = takes
        self.batches: list[int] = []

    def answer(self, inputs: Sequence[Any], parameters: Parameters) -> list[Any]:
        self.batches.append(len(inputs))
        for index, one in enumerate(inputs):
            if not one:
                raise InvalidInputs(f"input {index}: it is empty")
        return [[{"label": str(one)[:3], "score": len(one) / 10}] for one in inputs]


CLASSIFIER = {"task": {"name": "text-classification"}}


ON_FLEET = {"compute": {"target": "fleet", "fleet": "gpu"}}


@dataclass
class InWorker:
    """A version as a fleet's shard process has it: its worker is asked, task and all."""

    record: ModelVersion

    def run(self, inputs: Sequence[Tensor], outputs: Sequence[TensorSpec]) -> list[Tensor]:
        loaded = Loaded(self.record, self, {}, {}, 0.0, task=Counting("text"))
        asked = ChannelMessage({"outputs": [spec.name for spec in outputs]}, inputs)
        return run_asked(loaded, asked)


def stage_of(task: str, takes: str) -> BatchStage:
    return BatchStage(TOKENS, object(), bundle={"task": {"name": task}}, task=Counting(takes))


def lines(stage: BatchStage, job: BatchJob, name: str = "output.jsonl") -> list[Any]:
    return [json.loads(line) for line in stage.output(job, name).splitlines()]


def labels(found: Sequence[Any]) -> list[str]:
    return [one["answers"][0]["label"] for one in found]


def test_a_column_of_text_is_answered_with_labels_as_json() -> None:
    stage = stage_of("text-classification", "text")
    job = stage.run(stage.upload("rows.csv", b'id,text\n1,good day\n2,"bad, bad"\n', {}))
    assert (job.status, job.error, job.rows) == ("succeeded", None, 2)
    assert lines(stage, job) == [
        {"answers": [{"label": "goo", "score": 0.8}]},
        {"answers": [{"label": "bad", "score": 0.8}]},
    ]


def test_answers_are_joined_to_their_records() -> None:
    stage = stage_of("text-classification", "text")
    options = {"output": {"join": True}}
    job = stage.run(stage.upload("rows.jsonl", b'{"id": 7, "text": "good"}\n', options))
    assert job.error is None
    assert lines(stage, job) == [
        {"id": 7, "text": "good", "answers": [{"label": "goo", "score": 0.4}]}
    ]


def test_a_text_that_the_task_refuses_is_rejected_alone() -> None:
    stage = stage_of("text-classification", "text")
    rows = b'{"text": "good"}\n{"text": ""}\n{"text": "bad"}\n'
    job = stage.run(stage.upload("rows.jsonl", rows, {"max_rejected_percent": 50}))
    assert (job.status, job.error, job.rows, job.rejected) == ("succeeded", None, 2, 1)
    assert labels(lines(stage, job)) == ["goo", "bad"]
    [refused] = lines(stage, job, "errors.jsonl")
    assert (refused["record"], "it is empty" in refused["reason"]) == (1, True)


def test_on_a_fleet_the_worker_answers_the_texts_of_a_job() -> None:
    record = replace(version_record("iris", "1", b"", TOKENS), bundle=CLASSIFIER | ON_FLEET)
    stage = BatchStage(TOKENS, InWorker(record), bundle=record.bundle)
    rows = b'{"text": "good"}\n{"text": ""}\n{"text": "bad"}\n'
    job = stage.run(stage.upload("rows.jsonl", rows, {"max_rejected_percent": 50}))
    assert (job.status, job.error, job.rows, job.rejected) == ("succeeded", None, 2, 1)
    assert labels(lines(stage, job)) == ["goo", "bad"]


def test_a_text_over_the_limit_is_rejected_alone() -> None:
    stage = BatchStage(TOKENS, object(), bundle=CLASSIFIER, task=Counting("text"))
    texts = ["good", "x" * 500_001, "y" * 300_000, "z" * 300_000]
    rows = b"".join(json.dumps({"text": text}).encode() + b"\n" for text in texts)
    job = stage.run(stage.upload("rows.jsonl", rows, {"max_rejected_percent": 50}))
    assert (job.status, job.error, job.rows, job.rejected) == ("succeeded", None, 3, 1)
    [refused] = lines(stage, job, "errors.jsonl")
    assert (refused["record"], "at most 500000 allowed" in refused["reason"]) == (1, True)


def test_a_prefix_of_images_is_answered_in_batches() -> None:
    stage = stage_of("image-classification", "image")
    for name in ("a.jpg", "b.png", "c.jpeg"):
        stage.objects.upload(f"s3://in-bucket/shots/{name}", name.encode())
    job = stage.run(scheduled("s3://in-bucket/shots/"))
    assert (job.status, job.error, job.rows) == ("succeeded", None, 3)
    assert {label[:3] for label in labels(lines(stage, job))} == {"b'a", "b'b", "b'c"}


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_other_formats_have_the_answers_as_text(kind: str) -> None:
    stage = stage_of("text-classification", "text")
    options = {"output": {"format": kind}}
    job = stage.run(stage.upload("rows.jsonl", b'{"text": "good"}\n', options))
    assert job.error is None
    assert b"label" in stage.output(job, f"output.{kind}")
