"""Whole jobs of models that take rows of a table: columns in, labels or numbers out."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from serval.batch.job.job import BatchJob
from serval.models.signature import Signature, TensorSpec
from serval.models.tensor import Tensor
from serval.protocol.binary_tensors import bytes_array
from serval.tasks.catalogue import open_task
from serval.tasks.files import TaskFiles
from serval.tasks.graph import TaskGraph
from serval.worker.shards.line import ChannelMessage
from serval.worker.shards.process import run_asked
from tests.fakes.batch import BatchStage

GRAPH = Signature(
    (TensorSpec("city", "BYTES", (-1, 1)), TensorSpec("x", "FP32", (-1, 2))),
    (TensorSpec("label", "BYTES", (-1,)), TensorSpec("sum", "FP32", (-1, 1))),
)
COLUMNS = {"x": ["years here", "age"]}
LABELS = [{"answers": "Bern 33.0"}, {"answers": "Genf 3.0"}]
NUMBERS = [{"answers": 33.0}, {"answers": 3.0}]


def run_graph(inputs: Sequence[Tensor], outputs: Sequence[TensorSpec]) -> list[Tensor]:
    """Add up the numbers of a row, a missing one as zero; no city has more than a hundred."""
    city, numbers = (tensor.array for tensor in inputs)
    total = np.nan_to_num(numbers).sum(axis=1, keepdims=True)
    total[total > 100] = np.nan
    said = [b"%s %.1f" % pair for pair in zip(city[:, 0], total[:, 0], strict=True)]
    found = {"label": bytes_array(said, [len(said)]), "sum": total.astype(np.float32)}
    return [Tensor(spec.name, spec.datatype, found[spec.name]) for spec in outputs]


class InWorker:
    """A version as a fleet's shard process has it: its worker is asked."""

    stage: BatchStage
    task: Any

    def run(self, inputs: Sequence[Tensor], outputs: Sequence[TensorSpec]) -> list[Tensor]:
        self.stage.task, task = self.task, self.stage.task
        loaded = self.stage.load("adding", "1")
        self.stage.task = task
        asked = ChannelMessage({"outputs": [spec.name for spec in outputs]}, inputs)
        return run_asked(loaded, asked)


def stage_of(name: str, *, in_worker: bool = False, **options: Any) -> BatchStage:
    graph = TaskGraph(
        {s.name: s for s in GRAPH.inputs}, {s.name: s for s in GRAPH.outputs}, run_graph
    )
    files = TaskFiles(Path(), lambda _: graph, {**options, "columns": COLUMNS})
    task = open_task(name, files, graph)
    bundle = {"task": {"name": name, **options}, "columns": COLUMNS}
    stage = BatchStage(GRAPH, InWorker(), bundle=bundle, task=None if in_worker else task)
    stage.model.stage, stage.model.task = stage, task
    return stage


def answers(stage: BatchStage, job: BatchJob, name: str = "output.jsonl") -> list[Any]:
    return [json.loads(line) for line in stage.output(job, name).splitlines()]


def parquet() -> bytes:
    target = io.BytesIO()
    columns = {"age": [31, None], "city": ["Bern", "Genf"], "years here": [2.0, 3.0]}
    pl.DataFrame(columns | {"left": [True, False]}).write_parquet(target)
    return target.getvalue()


FILES = {
    "rows.csv": b"id,age,city,years here\n1,31,Bern,2\n2,,Genf,3\n",
    "rows.jsonl": b'{"city": "Bern", "age": 31, "years here": 2}\n'
    b'{"city": "Genf", "age": null, "years here": 3, "left": true}\n',
    "rows.parquet": parquet(),
}


@pytest.mark.parametrize("in_worker", [False, True])
@pytest.mark.parametrize("file", FILES)
def test_rows_of_each_format_are_answered_with_labels(file: str, in_worker: bool) -> None:
    stage = stage_of("tabular-classification", in_worker=in_worker)
    job = stage.run(stage.upload(file, FILES[file], {}))
    assert (job.status, job.error, job.rows) == ("succeeded", None, 2)
    assert answers(stage, job) == LABELS


def test_a_regressor_answers_with_numbers_beside_the_record() -> None:
    stage = stage_of("tabular-regression")
    job = stage.run(stage.upload("rows.csv", FILES["rows.csv"], {"output": {"join": True}}))
    assert job.error is None
    [first, _] = answers(stage, job)
    assert first == {"id": "1", "age": "31", "city": "Bern", "years here": "2", "answers": 33.0}


def test_a_row_that_the_task_refuses_is_rejected_alone_in_its_words() -> None:
    rows = b"age,city,years here\n31,Bern,2\n31,,2\n99,Genf,2\nold,Genf,2\n31,Genf,2\n"
    stage = stage_of("tabular-regression")
    job = stage.run(stage.upload("rows.csv", rows, {"max_rejected_percent": 90}))
    assert (job.status, job.rows, job.rejected) == ("succeeded", 2, 3)
    said = [line["reason"] for line in answers(stage, job, "errors.jsonl")]
    assert "column 'city': a text expected: the model does not fill in missing ones" in said[0]
    assert "the model has no answer to this row" in said[1]
    assert "'old'" in said[2]


def test_a_number_in_jsonl_is_no_text() -> None:
    rows = FILES["rows.jsonl"] + b'{"city": "Genf", "age": "31", "years here": 2}\n'
    stage = stage_of("tabular-classification")
    job = stage.run(stage.upload("rows.jsonl", rows, {"max_rejected_percent": 90}))
    [said] = [line["reason"] for line in answers(stage, job, "errors.jsonl")]
    assert said == "input 'age': '31' is no FP32"


def test_a_text_that_the_model_fills_in_may_be_missing() -> None:
    stage = stage_of("tabular-classification", imputed=["city"])
    rows = b'{"city": null, "age": 1, "years here": 2}\n'
    job = stage.run(stage.upload("rows.jsonl", rows, {}))
    assert (job.error, answers(stage, job)) == (None, [{"answers": " 3.0"}])


def test_a_file_without_a_column_is_refused_with_its_name() -> None:
    stage = stage_of("tabular-classification")
    job = stage.run(stage.upload("rows.csv", b"city,age\nBern,31\n", {}))
    assert job.status == "failed"
    assert "'years here'" in (job.error or "")
