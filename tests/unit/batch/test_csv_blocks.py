"""CSV in blocks: a record gives the same, wherever the block begins that it stands in."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serval.batch.asked import AskedJob
from serval.batch.columns import input_columns
from serval.batch.records.csv_records import CsvRecords
from serval.signatures import TensorSpec
from tests.fakes.batch import BatchStage

COLUMNS = ("x_0", "x_1", "note")
PAIR = TensorSpec("x", "FP32", (-1, 2))
RECORDS = CsvRecords(COLUMNS, input_columns([PAIR], COLUMNS, {}))
LINES: dict[str, tuple[float, float] | str | None] = {
    "1,2,a": (1, 2),
    "3,4": (3, 4),
    '5,6,"a\nb"': (5, 6),
    "1,2,p\rq": (1, 2),
    '3,4,"p\rq"': (3, 4),
    "5,6," + "n" * 140_000: (5, 6),
    "\ufeff,9": "'x_0': '\\ufeff' is no FP32",
    "7": "'x_1' is empty",
    "x": "'x_0': 'x' is no FP32",
    ",": "'x_0' is empty",
    '""': "'x_0' is empty",
    " ": "'x_0': ' ' is no FP32",
    "#": "'x_0': '#' is no FP32",
    "8,9,a,": "4 fields, 3 expected",
    "8,9,a,b,c": "5 fields, 3 expected",
    "": None,
}
"""Each record, and what it gives: a row, the reason for which it is rejected, or nothing."""


@settings(deadline=None)
@given(st.lists(st.sampled_from(sorted(LINES)), min_size=1), st.sampled_from(["\n", "\r\n"]))
def test_whatever_a_block_begins_with_each_record_gives_its_own(
    lines: list[str], newline: str
) -> None:
    block = "".join(line + newline for line in lines).encode()

    rows = RECORDS.read(block, 100, 1_000)

    fitting = {n: given for n, line in enumerate(lines) if isinstance(given := LINES[line], tuple)}
    wrong = {n: given for n, line in enumerate(lines) if isinstance(given := LINES[line], str)}
    (tensor,) = rows.inputs
    assert tensor.array.tolist() == [list(row) for row in fitting.values()]
    assert [rows.record(row) - 100 for row in range(rows.count)] == list(fitting)
    assert [reject.record - 100 for reject in rows.rejects] == list(wrong)
    for reject, reason in zip(rows.rejects, wrong.values(), strict=True):
        assert reason in reject.reason
        assert block[(reject.offset or 0) - 1_000 :].startswith(reject.text.encode())


def test_text_is_the_same_beside_a_record_that_only_python_reads() -> None:
    texts = TensorSpec("note", "BYTES", (-1, 1))
    records = CsvRecords(("note",), input_columns([texts], ("note",), {}), keep=True)
    block = b'\xef\xbb\xbfk\np\rq\n"r\rs"\r\n\r\n' + b"l" * 140_000 + b"\n"
    alone, beside = (records.read(b"k\n" + block + more, 0, 0) for more in (b"", b"1,2\n"))
    assert [len(alone.rejects), len(beside.rejects)] == [0, 1]
    assert alone.inputs[0].array.tolist() == beside.inputs[0].array.tolist()
    assert alone.inputs[0].array.ravel().tolist()[1:4] == [b"\xef\xbb\xbfk", b"p\rq", b"r\rs"]


@pytest.mark.parametrize("begin", ["7\n", "\n\n", "\r\n", "8,9,a,b\n"])
@pytest.mark.parametrize("rows", [1, 400])
def test_a_job_and_its_dry_run_take_a_file_whose_records_begin_so(begin: str, rows: int) -> None:
    body = ("x_0,x_1,note\n" + begin + "1,2,a\n" * rows).encode()
    stage = BatchStage(measurements={"rows_per_second": 1, "best_batch_size": 3})
    options = {"max_rejected_percent": 100}

    job = stage.run(stage.upload("rows.csv", body, options))

    assert (job.status, job.error, job.rows) == ("succeeded", None, rows)
    assert job.rejected == int(bool(begin.strip()))
    asked = AskedJob.from_json("adding", {"input": job.input[0], "options": options})
    assert stage.planning.preview(asked, "1").files == 1


@settings(deadline=None)
@given(st.lists(st.sampled_from(sorted(LINES)), max_size=12), st.integers(1, 60))
def test_a_job_of_any_blocks_and_shards_equals_its_records(lines: list[str], size: int) -> None:
    body = "".join(line + "\n" for line in [",".join(COLUMNS), "1,2,a", *lines]).encode()
    stage = BatchStage(measurements={"rows_per_second": 1, "best_batch_size": 3})
    options = {"max_rejected_percent": 100, "shard_bytes": size, "csv": {"header": True}}

    job = stage.run(stage.upload("rows.csv", body, options))

    assert (job.status, job.error) == ("succeeded", None)
    kinds = [type(LINES[line]) for line in lines]
    assert (job.rows, job.rejected) == (1 + kinds.count(tuple), kinds.count(str))
