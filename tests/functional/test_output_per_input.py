"""Jobs that write an output file for each file of the input."""

import io
from typing import Any

import polars as pl
import pytest

from serval.batch.job.job import BatchJob
from serval.batch.job.keys import Address
from tests.fakes.batch import DATA, BatchStage, scheduled

FILES = {
    "a.csv": b"x_0,x_1\n" + b"".join(b"%d,1\n" % number for number in range(40)),
    "b.csv": b"x_0,x_1\n",
    "day=1/a.csv": b"x_0,x_1\n5,6\n7,8\n",
}
LAKE = Address(DATA, "lake/")
TIMES = "2026-11-21T03:00:00Z", "2026-11-21T04:00:00Z"
OUT = "s3://out-bucket/2026-11-21/"


def ran(
    files: dict[str, bytes], stage: BatchStage | None = None, time: str = TIMES[0], **options: Any
) -> tuple[BatchStage, BatchJob]:
    stage = stage or BatchStage()
    for key, body in files.items():
        stage.objects.upload(f"s3://{DATA}/lake/{key}", body)
    output = {"per_input": True, "tensors": ["total"], **options.pop("output", {})}
    event = scheduled(
        f"s3://{DATA}/lake/", {"partitions": "never", "output": output, **options}, time=time
    )
    return stage, stage.run(event)


def outputs(stage: BatchStage, job: BatchJob) -> dict[str, bytes]:
    assert (job.status, job.error) == ("succeeded", None)
    found = [name for name in stage.objects.under(OUT) if name.startswith("by-input/")]
    return {name.removeprefix("by-input/"): stage.objects.body(OUT + name) for name in found}


@pytest.mark.parametrize("shard_bytes", [50, 10**8])
def test_each_file_has_an_output_called_after_it(shard_bytes: int) -> None:
    stage, job = ran(FILES, shard_bytes=shard_bytes)
    assert outputs(stage, job) == {
        "a.csv": b"total\n" + b"".join(b"%d.0\n" % (number + 1) for number in range(40)),
        "b.csv": b"total\n",
        "day=1/a.csv": b"total\n11.0\n15.0\n",
    }
    assert "output.csv" not in stage.objects.under(OUT)
    summary = stage.summary(job)
    assert summary["output"] == OUT + "by-input/"
    assert summary["options"]["output"]["per_input"] is True


def test_an_output_of_another_format_ends_in_it() -> None:
    stage, job = ran(FILES, output={"format": "jsonl"})
    found = outputs(stage, job)
    assert sorted(found) == ["a.csv.jsonl", "b.csv.jsonl", "day=1/a.csv.jsonl"]
    assert found["day=1/a.csv.jsonl"] == b'{"total":11.0}\n{"total":15.0}\n'
    assert found["b.csv.jsonl"] == b""


def test_parquet_files_keep_their_own_types() -> None:
    def table(**columns: list[Any]) -> bytes:
        file = io.BytesIO()
        pl.DataFrame(columns).write_parquet(file)
        return file.getvalue()

    files = {
        "a.parquet": table(x_0=[1.0, 2.0], x_1=[3, 4], id=[1, 2]),
        "b.parquet": table(x_0=[5.0], x_1=[6], id=["five"]),
    }
    stage, job = ran(files, output={"join": True})
    found = {name: pl.read_parquet(io.BytesIO(body)) for name, body in outputs(stage, job).items()}
    assert found["a.parquet"]["id"].to_list() == [1, 2]
    assert found["b.parquet"]["id"].to_list() == ["five"]
    assert found["a.parquet"]["total"].to_list() == [4, 6]
    assert found["b.parquet"]["total"].to_list() == [11]


def test_a_file_that_is_named_gives_an_output_of_its_name() -> None:
    stage = BatchStage()
    output = {"per_input": True, "tensors": ["total"]}
    job = stage.run(stage.upload("in/rows.csv", FILES["a.csv"], {"output": output}))
    assert job.status == "succeeded"
    assert stage.output(job, "by-input/rows.csv").startswith(b"total\n1.0\n")


def test_a_job_that_is_cancelled_meanwhile_has_no_outputs() -> None:
    stage = BatchStage()
    join = stage.objects.join

    def cancelled(*args: Any) -> None:
        join(*args)
        job = next(job for job in stage.store.of_model("adding", 1) if job.open)
        stage.control.cancel(job)

    stage.objects.join = cancelled  # type: ignore[method-assign]
    _, job = ran({"a.csv": FILES["a.csv"]}, stage)
    assert job.status == "cancelled"
    assert not [name for name in stage.objects.under(OUT) if name.startswith("by-input/")]


def test_what_an_earlier_job_has_left_is_deleted() -> None:
    stage, job = ran(FILES)
    stage.objects.delete([source.address for source in stage.objects.list(LAKE)])
    stage, job = ran({"c.csv": FILES["day=1/a.csv"]}, stage, TIMES[1])
    assert outputs(stage, job) == {"c.csv": b"total\n11.0\n15.0\n"}


@pytest.mark.parametrize(
    ("files", "options", "reason"),
    [
        (
            {"a": FILES["a.csv"], "a.csv": FILES["a.csv"]},
            {"format": "csv"},
            "lake/a.csv would both be written to by-input/a.csv: make a job of each",
        ),
        (FILES, {"output": {"partitioned": True}}, "the parts are the output by output.partition"),
        (
            {"x" * 1_008 + ".csv": FILES["a.csv"]},
            {},
            "gives a key of more than 1024 bytes: choose a shorter output.prefix",
        ),
        (
            {f"{number}.csv": FILES["day=1/a.csv"] for number in range(5_001)},
            {},
            "output.per_input: 5001 files, at most 5000 expected",
        ),
    ],
    ids=["one place", "partitioned", "a long key", "many files"],
)
def test_what_cannot_have_an_output_each_is_refused(
    files: dict[str, bytes], options: dict[str, Any], reason: str
) -> None:
    _, job = ran(files, **options)
    assert job.status == "failed"
    assert reason in (job.error or "")
