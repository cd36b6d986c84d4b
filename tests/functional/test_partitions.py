"""Whole jobs over files whose keys have columns in them."""

import io
import json
from typing import Any

import polars as pl
import pytest

from serval.batch.job.job import BatchJob
from serval.models.signature import Signature, TensorSpec
from serval.models.tensor import Tensor
from tests.fakes.batch import DATA, BatchStage, scheduled

X, STORE, COUNTRY = (
    TensorSpec("x", "FP32", (-1,)),
    TensorSpec("store", "INT64", (-1,)),
    TensorSpec("country", "BYTES", (-1,)),
)
SIGNATURE = Signature(
    (X, STORE, COUNTRY),
    tuple(TensorSpec(f"{own.name}_out", own.datatype, own.shape) for own in (X, STORE, COUNTRY)),
)
KEYS = [
    "country=S%C3%A3o%20Tom%C3%A9/store=7",
    "country=de/store=8",
    "country=de/store=9",
    "country=fr/store=x",
]
ROWS = [
    {"x": 1.0, "note": "a", "country": "São Tomé", "store": 7},
    {"x": 2.0, "note": "b", "country": "São Tomé", "store": 7},
    {"x": 1.0, "note": "a", "country": "de", "store": 8},
    {"x": 2.0, "note": "b", "country": "de", "store": 8},
    {"x": 1.0, "note": "a", "country": "de", "store": 9},
    {"x": 2.0, "note": "b", "country": "de", "store": 9},
]
ANSWERS = [{f"{name}_out": row[name] for name in ("x", "store", "country")} for row in ROWS]
CSV = b"x,note\n1,a\n2,b\n"


class Echo:
    """A model that answers with what it was given."""

    def run(self, inputs: Any, outputs: Any) -> list[Tensor]:
        arrays = {f"{own.name}_out": own.array for own in inputs}
        return [Tensor(spec.name, spec.datatype, arrays[spec.name]) for spec in outputs]


def parquet(**more: list[Any]) -> bytes:
    file = io.BytesIO()
    pl.DataFrame({"x": [1.0, 2.0], "note": ["a", "b"], **more}).write_parquet(file)
    return file.getvalue()


def ran(files: dict[str, bytes], **options: Any) -> tuple[BatchStage, BatchJob]:
    stage = BatchStage(SIGNATURE, Echo())
    for key, body in files.items():
        stage.objects.upload(f"s3://{DATA}/lake/{key}", body)
    event = scheduled(f"s3://{DATA}/lake/", {"max_rejected_percent": 100, **options})
    return stage, stage.run(event)


def rows(stage: BatchStage, job: BatchJob, kind: str) -> list[dict[str, Any]]:
    assert (job.status, job.error) == ("succeeded", None)
    body = stage.output(job, f"output.{kind}")
    if kind == "jsonl":
        return [json.loads(line) for line in body.splitlines()]
    read = pl.read_csv if kind == "csv" else pl.read_parquet
    return read(io.BytesIO(body)).to_dicts()


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("shard_bytes", [1, 10**8])
def test_folders_fill_inputs_by_name(kind: str, shard_bytes: int) -> None:
    body = CSV if kind == "csv" else parquet()
    files = {f"{key}/part.{kind}": body for key in KEYS[:3]}
    stage, job = ran(files, shard_bytes=shard_bytes)
    assert rows(stage, job, kind) == ANSWERS
    found = {each["input"]: (each["columns"], each["by"]) for each in stage.summary(job)["columns"]}
    assert found["country"] == (["country"], "name")


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("output", ["csv", "parquet", "jsonl"])
def test_folders_are_joined_behind_the_columns_of_the_file(kind: str, output: str) -> None:
    body = CSV if kind == "csv" else parquet()
    files = {f"{key}/part.{kind}": body for key in KEYS[:3]}
    stage, job = ran(files, output={"join": True, "format": output})
    found = rows(stage, job, output)
    assert list(found[0])[:4] == ["x", "note", "country", "store"]
    for row, before, answer in zip(found, ROWS, ANSWERS, strict=True):
        assert {name: row[name] for name in answer} == answer
        assert (row["country"], str(row["store"])) == (before["country"], str(before["store"]))
        assert (float(row["x"]), row["note"]) == (before["x"], before["note"])


def test_folders_may_be_left_out_of_what_is_joined() -> None:
    output = {"join": True, "leave_out": ["note", "country"]}
    stage, job = ran({f"{KEYS[0]}/part.parquet": parquet()}, output=output)
    assert list(rows(stage, job, "parquet")[0])[:2] == ["x", "store"]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_folder_without_a_value_is_a_missing_value(kind: str) -> None:
    body = CSV if kind == "csv" else parquet()
    files = {
        f"country=__HIVE_DEFAULT_PARTITION__/store=1/part.{kind}": body,
        f"country=de/store=__HIVE_DEFAULT_PARTITION__/part.{kind}": body,
        f"country=fr/store=x/part.{kind}": body,
        f"country=it/store=2/part.{kind}": body,
    }
    stage, job = ran(files, output={"format": "jsonl"})
    answered = [(row["country_out"], row["store_out"]) for row in rows(stage, job, "jsonl")]
    errors = [json.loads(line) for line in stage.output(job, "errors.jsonl").splitlines()]
    missing = [("", 1)] * 2 if kind == "csv" else []
    assert answered == [*missing, ("it", 2), ("it", 2)]
    said = {each["file"].split("/")[4]: each["reason"] for each in errors}
    assert said["country=fr"] == "column 'store': 'x' is no INT64"
    assert ("empty" if kind == "csv" else "null") in said["country=de"]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_column_of_the_file_and_a_folder_of_one_name_are_refused(kind: str) -> None:
    body = b"x,country\n1,fr\n" if kind == "csv" else parquet(country=["fr", "fr"])
    _, job = ran({f"{KEYS[1]}/part.{kind}": body})
    assert job.status == "failed"
    assert "'country' is a column of the file and a partition in its key" in (job.error or "")


def test_a_later_file_with_a_column_of_that_name_is_refused() -> None:
    own = parquet(country=["fr", "fr"])
    _, job = ran({f"{KEYS[0]}/a.parquet": parquet(), f"{KEYS[1]}/b.parquet": own}, shard_bytes=1)
    assert job.status == "failed"
    assert "'country' is a column of the file and a partition in its key" in (job.error or "")


def test_folders_are_no_columns_where_the_job_says_so() -> None:
    body = b"x,country,store\n1,fr,3\n"
    stage, job = ran({f"{KEYS[1]}/part.csv": body}, partitions="never")
    assert rows(stage, job, "csv") == [{"x_out": 1.0, "store_out": 3, "country_out": "fr"}]


def test_files_of_other_folders_are_refused() -> None:
    _, job = ran({f"{KEYS[0]}/part.csv": CSV, "country=de/part.csv": CSV})
    assert job.status == "failed"
    assert "country=de/part.csv: the partitions of its key are 'country'" in (job.error or "")
