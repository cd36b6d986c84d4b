"""Whole jobs over files that are one JSON array of records."""

import gzip
import json
from typing import Any

import pytest

from serval.batch.job.job import BatchJob
from tests.fakes.batch import DATA, BatchStage, scheduled

RECORDS: list[Any] = [{"x": [number, 1], "note": '],[ \\" é'} for number in range(500)]
REQUEST = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [7, 8]}]}


def ran(body: bytes, name: str = "rows.json", **options: Any) -> tuple[BatchStage, BatchJob]:
    stage = BatchStage()
    return stage, stage.run(stage.upload(name, body, {"max_rejected_percent": 100, **options}))


def totals(stage: BatchStage, job: BatchJob) -> list[float]:
    assert (job.status, job.error) == ("succeeded", None)
    return [json.loads(line)["total"] for line in stage.output(job, "output.jsonl").splitlines()]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("name", ["rows.json", "rows.jsonl", "rows"])
def test_an_array_is_answered_as_its_elements_in_lines_are(name: str, indent: int | None) -> None:
    body = json.dumps(RECORDS, indent=indent).encode()
    stage, job = ran(body, name, shard_bytes=1_000)
    assert totals(stage, job) == [number + 1 for number in range(500)]
    assert job.shards == 1


def test_an_element_is_whatever_a_line_of_jsonl_is() -> None:
    stage, job = ran(json.dumps([{"x": [1, 2]}, [3, 4], REQUEST]).encode())
    assert totals(stage, job) == [3, 7, 15]


def test_an_array_of_bare_arrays_is_read() -> None:
    stage, job = ran(b"\xef\xbb\xbf[\n  [1, 2],\n  [3, 4]\n]\n")
    assert totals(stage, job) == [3, 7]


@pytest.mark.slow
def test_an_array_may_be_compressed_and_larger_than_what_is_looked_at() -> None:
    body = gzip.compress(json.dumps(RECORDS * 20, indent=1).encode())
    stage, job = ran(body, "rows.json.gz")
    assert totals(stage, job) == [number + 1 for number in range(500)] * 20


def test_joined_records_stand_in_a_line_each() -> None:
    stage, job = ran(json.dumps(RECORDS[:2], indent=2).encode(), output={"join": True})
    assert job.status == "succeeded"
    lines = stage.output(job, "output.jsonl").splitlines()
    assert [json.loads(line)["note"] for line in lines] == [RECORDS[0]["note"]] * 2


def test_a_malformed_element_is_rejected_with_its_place() -> None:
    body = b'[{"x":[1,2]},\n  {"x":[1,]},\n  {"x":[5,6]}, null, {"y":[1,2]}]'
    stage, job = ran(body)
    assert totals(stage, job) == [3, 11]
    errors = [json.loads(line) for line in stage.output(job, "errors.jsonl").splitlines()]
    assert [each["record"] for each in errors] == [1, 3, 4]
    assert [body[each["offset"] :][: len(each["text"])].decode() for each in errors] == [
        each["text"] for each in errors
    ]
    assert "the line is not JSON" in errors[0]["reason"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (json.dumps(RECORDS).encode()[:-1], "the file ends before its JSON array does"),
        (json.dumps(RECORDS * 20).encode()[:-9], "the file ends before its JSON array does"),
        (json.dumps(RECORDS).encode() + b"x", "text stands behind the end of the JSON array"),
        (b'[{"x":[1,2]},\n]', "byte 14: the JSON array has no element before it"),
        (b'[\n{"x":[1,2]}\n{"x":[3,4]}\n]', "the line is not JSON: unexpected content"),
    ],
)
def test_an_array_that_is_none_is_refused(body: bytes, reason: str) -> None:
    _, job = ran(body)
    assert job.status == "failed"
    assert reason in (job.error or "")
    assert f"s3://{DATA}/batch/adding/in/rows.json" in (job.error or "")


ARRAY, LINES = b'[{"x":[1,2]},{"x":[3,4]}]', b'{"x":[1,2]}\n{"x":[3,4]}\n'


def over(*bodies: bytes) -> tuple[BatchStage, BatchJob]:
    stage = BatchStage()
    for number, body in enumerate(bodies):
        stage.objects.upload(f"s3://{DATA}/p/{number:03}.json", body)
    event = scheduled(f"s3://{DATA}/p/")
    return stage, stage.run(event)


def test_several_arrays_are_read_one_after_another() -> None:
    stage, job = over(ARRAY, b"[]", b"[ ]\n", ARRAY)
    assert totals(stage, job) == [3, 7, 3, 7]


@pytest.mark.parametrize(
    ("bodies", "reason"),
    [
        ([ARRAY, LINES], "001.json: it is no JSON array of records, as the first file is"),
        ([LINES, ARRAY], "001.json: it is one JSON array of records; the first file has a record"),
        ([LINES] * 120 + [ARRAY], "120.json: it is one JSON array of records; the first file"),
    ],
)
def test_arrays_and_lines_in_one_job_are_refused(bodies: list[bytes], reason: str) -> None:
    _, job = over(*bodies)
    assert job.status == "failed"
    assert reason in (job.error or "")
