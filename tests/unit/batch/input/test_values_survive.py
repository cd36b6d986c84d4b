"""What a model answers is written as it is, in the form that the docs say, or rejected."""

import base64
import csv
import datetime as dt
import io
import json
from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest

from serval.batch.input.jsonl.records import JsonlRecords
from serval.batch.input.records import Rows
from serval.batch.shard.outputs import PartFormat
from serval.models.signature import Signature, TensorSpec
from serval.models.tensor import Tensor
from tests.fakes.batch import BatchStage

BYTES = Signature((TensorSpec("x", "INT64", (-1,)),), (TensorSpec("y", "BYTES", (-1,)),))
BODIES = [b"\xff\x00", "é".encode(), b""]


class Bodies:
    """A model whose answers are bytes."""

    def run(self, inputs: Sequence[Tensor], outputs: Sequence[TensorSpec]) -> list[Tensor]:
        found = np.empty(len(inputs[0].array), np.object_)
        found[:] = [BODIES[index] for index in inputs[0].array]
        return [Tensor("y", "BYTES", found)]


def answered(form: str, **output: object) -> tuple[list[dict[str, object]], list[object]]:
    stage = BatchStage(BYTES, Bodies())
    body = b"".join(b'{"x": %d}\n' % index for index in range(3))
    options = {"output": {"format": form, **output}, "max_rejected_percent": 100}
    job = stage.run(stage.upload("rows.jsonl", body, options))
    assert (job.status, job.error) == ("succeeded", None)
    found = stage.output(job, f"output.{form}")
    rejected = []
    if job.rejected:
        rejected = list(map(json.loads, stage.output(job, "errors.jsonl").splitlines()))
    if form == "parquet":
        return pl.read_parquet(io.BytesIO(found)).to_dicts(), rejected
    if form == "csv":
        return list(csv.DictReader(io.StringIO(found.decode()))), rejected
    return list(map(json.loads, found.splitlines())), rejected


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_bytes_that_are_no_text_are_rejected_and_not_damaged(form: str) -> None:
    rows, rejected = answered(form)
    assert [row["y"] for row in rows] == ["é", ""]
    assert [(one["record"], one["reason"]) for one in rejected] == [  # type: ignore[index]
        (0, "output 'y' has bytes that are no UTF-8 text: choose output.bytes base64")
    ]


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_any_bytes_may_be_written_in_base64(form: str) -> None:
    rows, rejected = answered(form, bytes="base64")
    assert [base64.b64decode(str(row["y"])) for row in rows] == BODIES
    assert rejected == []


@pytest.mark.parametrize("shape", [(4,), (2, 2), (1, 4)])
@pytest.mark.parametrize("datatype", ["FP32", "FP64", "FP16"])
def test_jsonl_spells_what_json_has_no_number_for(shape: tuple[int, ...], datatype: str) -> None:
    values = np.array([np.nan, np.inf, -np.inf, 0.5]).reshape(shape).astype(np.float32)
    spec = TensorSpec("y", datatype, (-1, *shape[1:]))
    lines = PartFormat("jsonl", [spec]).write(
        Rows((), len(values)), [Tensor("y", datatype, values)]
    )
    found = np.array([json.loads(line)["y"] for line in lines.splitlines()]).ravel().tolist()
    assert found == ["NaN", "Infinity", "-Infinity", "0.5"] or found == [
        "NaN", "Infinity", "-Infinity", 0.5,
    ]  # fmt: skip


def test_jsonl_takes_the_numbers_that_it_writes() -> None:
    lines = b'{"x": ["NaN", "Infinity"]}\n{"x": ["-Infinity", 1]}\n{"x": ["x", 1]}\n'
    rows = JsonlRecords([TensorSpec("x", "FP32", (-1, 2))]).read(lines, 0, 0)
    np.testing.assert_array_equal(rows.inputs[0].array, [[np.nan, np.inf], [-np.inf, 1]])
    assert [one.record for one in rows.rejects] == [2]


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_moments_are_joined_to_text_in_iso_form_or_rejected(form: str) -> None:
    days = pl.Series([19_723, 2**31 - 1], dtype=pl.Int32).cast(pl.Date)
    frame = pl.DataFrame({"x": [1, 1], "day": days, "took": [dt.timedelta(1)] * 2})
    target = io.BytesIO()
    frame.write_parquet(target)
    stage = BatchStage(BYTES, Bodies())
    options = {"output": {"format": form, "join": True}, "max_rejected_percent": 50}
    job = stage.run(stage.upload("t.parquet", target.getvalue(), options))
    assert (job.status, job.error, job.rows, job.rejected) == ("succeeded", None, 1, 1)
    found = stage.output(job, f"output.{form}").decode()
    assert "2024-01-01" in found
    assert "P1D" in found
    assert b"is in no year from 1 to 9999" in stage.output(job, "errors.jsonl")


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_columns_of_bytes_are_not_joined_where_they_have_no_form(form: str) -> None:
    target = io.BytesIO()
    pl.DataFrame({"x": [1], "image": [b"\xff"]}).write_parquet(target)
    stage = BatchStage(BYTES, Bodies())
    options = {"output": {"format": form, "join": True}}
    job = stage.run(stage.upload("t.parquet", target.getvalue(), options))
    assert (job.status, job.shards) == ("failed", 0)
    assert "column 'image' holds bytes, which" in (job.error or "")
