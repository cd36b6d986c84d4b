"""Inputs that cannot be: each fails its job with a reason that names what is wrong."""

import gzip
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
import pytest
import zstandard

from serval.models.signature import Signature, TensorSpec
from serval.models.tensor import Tensor
from tests.fakes.batch import DATA, BatchStage, scheduled

GOOD = b"x_0,x_1\n" + b"".join(b"%d,1\n" % number for number in range(50))
TABLE = pl.DataFrame({"x_0": [1.0, 2.0], "x_1": [3.0, 4.0]})
TEXTS = Signature((TensorSpec("text", "BYTES", (-1,)),), (TensorSpec("y", "FP32", (-1,)),))
FIXED = Signature((TensorSpec("x", "FP32", (4, 2)),), (TensorSpec("y", "FP32", (-1,)),))
RAGGED = Signature((TensorSpec("x", "FP32", (-1, 2)),), (TensorSpec("y", "FP32", (-1, -1)),))


def parquet(frame: pl.DataFrame = TABLE) -> bytes:
    file = io.BytesIO()
    frame.write_parquet(file)
    return file.getvalue()


@dataclass(frozen=True)
class Bad:
    """An upload, and what is said of it."""

    name: str
    body: bytes
    reason: str
    options: dict[str, Any] = field(default_factory=dict)
    signature: Signature | None = None


BAD = {
    "an empty file": Bad("rows.csv", b"", "rows.csv is empty"),
    "an unknown type": Bad("rows.xlsx", b"PK\3\4" + b"\0" * 90, "it begins with bytes 50 4b 03 04"),
    "an unknown extension": Bad("rows.data", b"1,2\n", "type 'data' is not known: csv, tsv,"),
    "an image for a model of numbers": Bad(
        "cat.jpg", b"\xff\xd8\xff", "objects go to a model with one input of datatype BYTES"
    ),
    "UTF-16 with a mark": Bad(
        "rows.csv", "x_0,x_1\n1,2\n".encode("utf-16"), "byte 0: the text is UTF-16; UTF-8 expected"
    ),
    "UTF-16 without a mark": Bad(
        "rows.csv", "x_0,x_1\n1,2\n".encode("utf-16-le"), "byte 1: NUL: the text is UTF-16 or no"
    ),
    "NUL far behind": Bad(
        "rows.csv", GOOD * 9_000 + b"1,\0\n", "byte 2232002: NUL", {"shard_bytes": 200_000}
    ),
    "NUL in a file of one shard": Bad("rows.csv", GOOD * 9_000 + b"1,\0\n", "byte 2232002: NUL"),
    "a bare quote": Bad(
        "rows.csv", GOOD + b'5" disk,1\n', "byte 249: a bare quote", {"shard_bytes": 40}
    ),
    "a bare quote in a file of one shard": Bad(
        "rows.csv", GOOD + b'5" disk,1\n', "byte 249: a bare quote"
    ),
    "a quote that is never closed": Bad(
        "rows.csv", GOOD + b'"1,2\n3,4\n', "byte 248: a quote that is never closed"
    ),
    "a wrong delimiter": Bad(
        "rows.csv", GOOD.replace(b",", b";"), "need 2: is the delimiter right?",
        {"csv": {"delimiter": ","}},
    ),
    "no header, and none of its columns numbers": Bad(
        "rows.csv", b"good\nbad\n", "the first record, 'good', may be a header or not: say which",
        signature=TEXTS,
    ),
    "a header that is none": Bad(
        "rows.csv", b"a,a\n1,2\n", "the header has column 'a' more than once",
        {"csv": {"header": True}},
    ),
    "a column that is not there": Bad(
        "rows.csv", GOOD, "input 'x': the file has no column 'weight'; it has 'x_0', 'x_1'",
        {"columns": {"x": ["x_0", "weight"]}},
    ),
    "an input that is not there": Bad(
        "rows.csv", GOOD, "columns: 'z' is no input: the model takes x", {"columns": {"z": ["x_0"]}}
    ),
    "records none of which fits": Bad(
        "rows.csv", b"x_0,x_1\na,b\nc,d\n",
        "none of its first 2 records fits; the first: column 'x_0': 'a' is no FP32",
    ),
    "an only record that does not fit": Bad(
        "rows.csv", b"x_0,x_1\na,b\n",
        "its first record does not fit: column 'x_0': 'a' is no FP32",
    ),
    "too much that is rejected": Bad(
        "rows.csv", GOOD + b"a,1\nb,1\n",
        "2 records, more than 1 % of about",
    ),
    "invalid UTF-8 in too many records": Bad(
        "rows.csv", GOOD + b"\xff\xfe,1\n" * 60, "byte 248 is not UTF-8"
    ),
    "a line that is too long": Bad(
        "rows.jsonl", b'{"x": [1, 2]}\n' + b" " * (18 * 2**20),
        "byte 14: a record of more than 16777216 bytes begins there",
    ),
    "one JSON document": Bad(
        "rows.json", json.dumps({"x": [1, 2]}, indent=2).encode(),
        "it is one JSON value over several lines: JSONL has a record a line",
    ),
    "a long JSON document": Bad(
        "rows.jsonl", b'{\n "x": [\n' + b"  [1,\n 2],\n" * 90_000 + b" [1, 2]]}",
        "it is one JSON value over several lines",
    ),
    "JSONL of other inputs": Bad(
        "rows.jsonl", b'{"y": [1, 2]}\n', "input 'x' is missing; the line has 'y'"
    ),
    "a Parquet file cut short": Bad(
        "rows.parquet", parquet()[:-20], "it does not end in PAR1: it is cut short"
    ),
    "a Parquet file with a hole": Bad(
        "rows.parquet", b"PAR1" + parquet()[200:], "would end at byte"
    ),
    "CSV that is called Parquet": Bad(
        "rows.parquet", GOOD, "it is called Parquet, and begins with bytes 78 5f 30 2c"
    ),
    "Parquet without the columns": Bad(
        "rows.parquet", parquet(TABLE.drop("x_1")), "the file has no column 'x_1', which input 'x'"
    ),
    "Parquet whose columns are called otherwise": Bad(
        "rows.parquet",
        parquet(pl.DataFrame({"note": ["a"], "wide": [1.0], "long": [2.0]})),
        'which may not be the file\'s; if it is, that is {"x": ["wide", "long"]}; or take',
    ),
    "gzip cut short": Bad("rows.csv.gz", gzip.compress(GOOD)[:-12], "its gzip is cut short"),
    "gzip that is damaged": Bad(
        "rows.csv.gz", gzip.compress(GOOD)[:20] + b"\xff" * 30, "its gzip is"
    ),
    "zstd cut short": Bad("rows.csv.zst", zstandard.compress(GOOD)[:-3], "its zstd is cut short"),
    "text that is called gzip": Bad(
        "rows.csv.gz", GOOD, "it is called gzip, and begins with bytes 78 5f 30 2c"
    ),
    "options that are no JSON": Bad(
        "rows.csv", GOOD, "rows.csv.options.json: the file is not valid JSON"
    ),
    "options that are not known": Bad(
        "rows.csv", GOOD, "'formt' is not known; there is format", {"formt": "csv"}
    ),
    "an output that would start another job": Bad(
        "rows.csv", GOOD, "overlaps input", {"output": {"prefix": f"s3://{DATA}/batch/adding/in/"}}
    ),
    "an output under the input of another model": Bad(
        "rows.csv", GOOD, "is where uploads start batch jobs",
        {"output": {"prefix": f"s3://{DATA}/batch/other/in/x/"}},
    ),
    "a model that takes no batches": Bad(
        "rows.jsonl", b"{}\n", "input 'x' has shape [4, 2]: a batch job needs", signature=FIXED
    ),
    "outputs that fill no columns": Bad(
        "rows.csv", GOOD, "extents that vary fill no columns of csv", signature=RAGGED
    ),
    "JSONL joined in CSV": Bad(
        "rows.jsonl", b'{"x": [1, 2]}\n', "JSONL records have no columns to stand in csv",
        {"output": {"join": True, "format": "csv"}},
    ),
    "an output that is called like a column": Bad(
        "rows.csv", b"total,x_0,x_1\n1,2,3\n", "'total' is a column of the input and an output",
        {"output": {"join": True}},
    ),
    "objects that are compressed": Bad(
        "rows.parquet", gzip.compress(parquet()), "parquet compressed with gzip: only CSV"
    ),
}  # fmt: skip


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_a_bad_input_fails_its_job_with_a_reason(bad: Bad) -> None:
    stage = BatchStage(*([bad.signature] if bad.signature else []))
    event = stage.upload(bad.name, bad.body, bad.options or None)
    if "not valid JSON" in bad.reason:
        stage.objects.upload(f"s3://{DATA}/batch/adding/in/{bad.name}.options.json", b"{")

    job = stage.run(event)

    assert job.status == "failed"
    assert bad.reason in (job.error or "")
    assert job.finished
    assert_nothing_is_passed_off_as_whole(stage, job.output)
    assert stage.announced[-1].status == "failed"
    assert stage.objects.open_sinks == 0


def assert_nothing_is_passed_off_as_whole(stage: BatchStage, output: str) -> None:
    written = stage.objects.under(output) if output else []
    assert not [name for name in written if name.startswith("output.")]
    if written and "summary.json" in written:
        summary = json.loads(stage.objects.body(f"{output}summary.json"))
        assert (summary["status"], summary["output"]) == ("failed", None)


SCHEDULED: dict[str, tuple[Callable[[BatchStage], object], str, str]] = {
    "a file that is not there": (
        lambda stage: None, f"s3://{DATA}/rows.csv", f"input: s3://{DATA}/rows.csv does not exist"
    ),
    "a bucket that is not there": (
        lambda stage: None, "s3://no-such-bucket/in/", "there is no such bucket"
    ),
    "a prefix without files": (
        lambda stage: stage.objects.upload(f"s3://{DATA}/p/_SUCCESS", b"x"),
        f"s3://{DATA}/p/", f"there are no files under s3://{DATA}/p/",
    ),
    "a prefix written as a file": (
        lambda stage: stage.objects.upload(f"s3://{DATA}/p/rows.csv", GOOD),
        f"s3://{DATA}/p", f"s3://{DATA}/p is a prefix: write it as s3://{DATA}/p/",
    ),
    "files of two kinds": (
        lambda stage: [
            stage.objects.upload(f"s3://{DATA}/p/a.csv", GOOD),
            stage.objects.upload(f"s3://{DATA}/p/b.jsonl", GOOD),
        ],
        f"s3://{DATA}/p/", "are of two kinds; say 'format' if they are not",
    ),
    "files of two headers": (
        lambda stage: [
            stage.objects.upload(f"s3://{DATA}/p/a.csv", GOOD),
            stage.objects.upload(f"s3://{DATA}/p/b.csv", b"x_1,x_0\n1,2\n"),
        ],
        f"s3://{DATA}/p/", "its header is 'x_1', 'x_0'; that of the first file is 'x_0', 'x_1'",
    ),
    "an output under the input": (
        lambda stage: stage.objects.upload("s3://out-bucket/x/rows.csv", GOOD),
        "s3://out-bucket/", "overlaps input s3://out-bucket/",
    ),
    "a word that is not known": (
        lambda stage: None, f"s3://{DATA}/{{day}}/", "{day} is not known; there is {date}"
    ),
    "no address": (lambda stage: None, "rows.csv", "'s3://bucket/key' expected"),
}  # fmt: skip


@pytest.mark.parametrize("case", SCHEDULED.values(), ids=SCHEDULED.keys())
def test_a_schedule_without_an_input_fails_its_job_with_a_reason(case) -> None:
    prepare, address, reason = case
    stage = BatchStage()
    prepare(stage)

    job = stage.run(scheduled(address))

    assert (job.status, job.name) == ("failed", "nightly")
    assert reason in (job.error or "")
    assert_nothing_is_passed_off_as_whole(stage, job.output)


def test_an_unknown_model_fails_the_job() -> None:
    stage = BatchStage()
    event = stage.upload("rows.csv", GOOD)
    stage.registry.routes.clear()

    job = stage.run(event)

    assert (job.status, job.model) == ("failed", "adding")
    assert "model 'adding' is not registered" in (job.error or "")


def test_an_input_that_is_changed_meanwhile_fails_the_job() -> None:
    stage = BatchStage()
    stage.objects.upload("s3://in-bucket/p/rows.csv", GOOD)

    def change(shard: int) -> None:
        stage.objects.upload("s3://in-bucket/p/rows.csv", GOOD + b"7,7\n")

    stage.before_shard = change
    job = stage.run(
        {"origin": "schedule", "model": "adding", "time": "2026-11-21T03:00:00Z",
         "input": "s3://in-bucket/p/"}
    )  # fmt: skip

    assert job.status == "failed"
    assert "rows.csv was changed since the job was planned" in (job.error or "")


def test_an_upload_that_is_overwritten_meanwhile_changes_nothing() -> None:
    stage = BatchStage()
    event = stage.upload("rows.csv", GOOD)
    stage.upload("rows.csv", b"x_0,x_1\n9,9\n")

    job = stage.run(event)

    assert (job.status, job.rows) == ("succeeded", 50)


def test_a_missing_object_is_rejected_by_itself() -> None:
    signature = Signature(
        (TensorSpec("image", "UINT8", (-1, -1)),), (TensorSpec("size", "INT64", (-1,)),)
    )
    stage = BatchStage(signature, Measuring())
    for name in "abc":
        stage.objects.upload(f"s3://in-bucket/p/{name}.jpg", name.encode() * ord(name))

    def remove(shard: int) -> None:
        stage.objects.buckets["in-bucket"]["p/b.jpg"].append(None)

    stage.before_shard = remove
    job = stage.run(
        {"origin": "schedule", "model": "adding", "time": "2026-11-21T03:00:00Z",
         "input": "s3://in-bucket/p/",
         "options": {"max_rejected_percent": 50, "output": {"join": True}}}
    )  # fmt: skip

    assert (job.status, job.rows, job.rejected) == ("succeeded", 2, 1)
    assert list(map(json.loads, stage.output(job, "output.jsonl").splitlines())) == [
        {"object": "s3://in-bucket/p/a.jpg", "size": 97},
        {"object": "s3://in-bucket/p/c.jpg", "size": 99},
    ]
    (error,) = map(json.loads, stage.output(job, "errors.jsonl").splitlines())
    assert (error["record"], error["text"]) == (1, "s3://in-bucket/p/b.jpg")
    assert "is gone" in error["reason"]


class Measuring:
    """A model that says how many bytes an image has."""

    def run(self, inputs, outputs):
        sizes = np.array([len(row) for row in inputs[0].array], np.int64)
        return [Tensor("size", "INT64", sizes)]
