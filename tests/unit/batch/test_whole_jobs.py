"""Whole jobs in memory: any file, any shards, any crash: each record once, in order."""

import csv
import gzip
import io
import json
from typing import Any

import polars as pl
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.batch import BatchStage, scheduled

pytestmark = pytest.mark.slow

HEADER = ("note", "x_0", "x_1")
notes = st.text(st.sampled_from('ab,";\n\ré€🙂 '), max_size=6)
numbers = st.integers(0, 99)
rows = st.lists(st.tuples(notes, numbers, numbers), max_size=25)
shard_bytes = st.integers(1, 400)
SLOW = {"rows_per_second": 1, "best_batch_size": 3}
"""So that a shard has several blocks, and may run short of time between them."""
blocks = st.one_of(st.none(), st.integers(1, 3))
crashes = st.one_of(st.none(), st.tuples(st.integers(0, 60), st.booleans()))


def written(records: list[Any], newline: str, quoting: int) -> str:
    """Write CSV as Python does, which leaves a lone CR without quotes unless all are quoted."""
    out = io.StringIO()
    csv.writer(out, lineterminator=newline, quoting=quoting).writerows(records)
    return out.getvalue()


def crashed(stage: BatchStage, crash: tuple[int, bool] | None) -> None:
    if crash is not None:
        stage.crashes.at, stage.crashes.after = crash


@given(
    rows,
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.booleans(),
    st.booleans(),
    shard_bytes,
    blocks,
    crashes,
)
def test_a_csv_job_equals_a_straight_loop(
    records, newline, quoting, mark, final, size, most, crash
):
    if quoting == csv.QUOTE_MINIMAL:
        records = [(note.replace("\r", ""), *pair) for note, *pair in records]
    text = written([HEADER, *records], newline, quoting)
    body = (b"\xef\xbb\xbf" if mark else b"") + (text if final else text.rstrip(newline)).encode()
    stage = BatchStage(blocks_per_invocation=most, measurements=SLOW)
    event = stage.upload("rows.csv", body, {"shard_bytes": size, "output": {"join": True}})
    crashed(stage, crash)

    job = stage.run(event)

    assert (job.status, job.error) == ("succeeded", None)
    output = stage.output(job, "output.csv")
    answered = list(csv.reader(io.StringIO(output.decode(), newline="")))
    assert answered[0] == [*HEADER, "total", "twice_0", "twice_1"]
    assert [(note, int(a), int(b)) for note, a, b, *_ in answered[1:]] == records
    assert [float(row[3]) for row in answered[1:]] == [a + b for _, a, b in records]
    assert (job.rows, job.rejected) == (len(records), 0)
    parts = sorted(name for name in stage.objects.under(job.output) if name.endswith(".csv"))
    assert b"".join(stage.output(job, name) for name in in_order(parts)) == output
    assert stage.objects.open_sinks == 0 or crash is not None


def in_order(parts: list[str]) -> list[str]:
    def place(name: str) -> tuple[int, int]:
        shard, _, piece = name.removeprefix("parts/").removesuffix(".csv").partition("-")
        return int(shard), int(piece or 0)

    return sorted((name for name in parts if name.startswith("parts/")), key=place)


lines = st.one_of(
    st.tuples(st.just("good"), numbers, numbers),
    st.tuples(st.just("bare"), numbers, numbers),
    st.tuples(st.just("refused"), numbers, numbers),
    st.tuples(st.just("bad"), numbers, numbers),
    st.tuples(st.just("blank"), numbers, numbers),
)


def line_of(kind: str, first: int, second: int) -> str:
    return {
        "good": json.dumps({"é": first, "x": [first, second]}, ensure_ascii=False),
        "bare": f"[{first}, {second}]",
        "refused": json.dumps({"x": [-1 - first, second]}),
        "bad": f'{{"x": [{first}]}}',
        "blank": "",
    }[kind]


@given(st.lists(lines, max_size=25), st.booleans(), shard_bytes, blocks, crashes)
def test_a_jsonl_job_equals_a_straight_loop(kinds, final, size, most, crash):
    kinds = [("good", 1, 2), *kinds]
    texts = [line_of(*kind) for kind in kinds]
    body = ("\n".join(texts) + ("\n" if final else "")).encode()
    stage = BatchStage(blocks_per_invocation=most, measurements=SLOW)
    options = {"shard_bytes": size, "max_rejected_percent": 100}
    event = stage.upload("rows.jsonl", body, options)
    crashed(stage, crash)

    job = stage.run(event)

    assert (job.status, job.error) == ("succeeded", None)
    answered = list(map(json.loads, stage.output(job, "output.jsonl").splitlines()))
    fitting = [(a, b) for kind, a, b in kinds if kind in ("good", "bare")]
    assert [one["total"] for one in answered] == [a + b for a, b in fitting]
    assert [one["twice"] for one in answered] == [[2 * a, 2 * b] for a, b in fitting]
    wrong = [number for number, (kind, *_) in enumerate(kinds) if kind in ("refused", "bad")]
    assert job.rejected == len(wrong)
    if wrong:
        found = list(map(json.loads, stage.output(job, "errors.jsonl").splitlines()))
        assert [error["record"] for error in found] == wrong
        starts = [sum(len(text.encode()) + 1 for text in texts[:number]) for number in wrong]
        for error, start in zip(found, starts, strict=True):
            assert error["offset"] in (None, start)


@given(
    st.lists(st.tuples(numbers, numbers), min_size=1, max_size=60),
    st.integers(1, 40),
    st.integers(1, 2_000),
    blocks,
    crashes,
)
def test_a_parquet_job_equals_a_straight_loop(pairs, group, size, most, crash):
    frame = pl.DataFrame(
        {
            "x_1": [second for _, second in pairs],
            "id": [f"é{index}" for index in range(len(pairs))],
            "x_0": [float(first) for first, _ in pairs],
        }
    )
    file = io.BytesIO()
    frame.write_parquet(file, row_group_size=group)
    stage = BatchStage(
        blocks_per_invocation=most, measurements={"rows_per_second": 1, "best_batch_size": 3}
    )
    options = {"shard_bytes": size, "output": {"join": True}}
    event = stage.upload("rows.parquet", file.getvalue(), options)
    crashed(stage, crash)

    job = stage.run(event)

    assert (job.status, job.error) == ("succeeded", None)
    found = pl.read_parquet(io.BytesIO(stage.output(job, "output.parquet")))
    assert found.select(frame.columns).equals(frame)
    assert found["total"].to_list() == [a + b for a, b in pairs]
    assert job.exact_rows
    assert job.estimated_rows == len(pairs)


@given(st.lists(rows.filter(bool), min_size=1, max_size=6), shard_bytes, blocks, crashes)
def test_files_of_a_prefix_are_answered_in_the_order_of_their_keys(files, size, most, crash):
    stage = BatchStage(blocks_per_invocation=most, measurements=SLOW)
    for index, records in enumerate(files):
        text = written([HEADER, *records], "\n", csv.QUOTE_ALL)
        stage.objects.upload(f"s3://in-bucket/p/{index}.csv", text.encode())
    event = scheduled("s3://in-bucket/p/", {"shard_bytes": size, "output": {"join": True}})
    crashed(stage, crash)

    job = stage.run(event)

    assert (job.status, job.error) == ("succeeded", None)
    output = stage.output(job, "output.csv").decode()
    answered = list(csv.reader(io.StringIO(output, newline="")))[1:]
    assert [(note, int(a), int(b)) for note, a, b, *_ in answered] == [
        record for records in files for record in records
    ]


@pytest.mark.parametrize(
    ("name", "pack"), [("rows.csv.gz", gzip.compress), ("rows.csv.zst", zstandard.compress)]
)
@pytest.mark.parametrize("most", [None, 1])
def test_a_compressed_file_is_one_shard(name: str, pack: Any, most: int | None):
    records = [("a\nb", 1, 2), ("c", 3, 4), ("d", 5, 6)] * 300
    text = written([HEADER, *records], "\r\n", csv.QUOTE_MINIMAL)
    stage = BatchStage(
        blocks_per_invocation=most, measurements={"rows_per_second": 10, "best_batch_size": 8}
    )
    event = stage.upload(name, pack(text.encode()), {"shard_bytes": 10, "output": {"join": True}})

    job = stage.run(event)

    assert (job.status, job.shards, job.rows) == ("succeeded", 1, len(records))
    answered = list(csv.reader(io.StringIO(stage.output(job, "output.csv").decode(), newline="")))
    assert [(note, int(a), int(b)) for note, a, b, *_ in answered[1:]] == records
    pieces = [name for name in stage.objects.under(f"{job.output}parts/") if name.endswith(".csv")]
    assert (len(pieces) > 1) == (most is not None)
