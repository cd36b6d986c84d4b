"""CSV in blocks: a record gives the same, wherever the block begins that it stands in."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serval.batch.input.columns import match_columns
from serval.batch.input.csv.records import CsvRecords
from serval.batch.start.job_request import JobRequest
from serval.models.signature import TensorSpec
from tests.fakes.batch import BatchStage

COLUMNS = ("x_0", "x_1", "note")
PAIR = TensorSpec("x", "FP32", (-1, 2))
NAN = float("nan")
FEW, MANY, STRAY = "2 fields, 3 expected", "4 fields, 3 expected", "not those of RFC 4180"
LINES: dict[str, tuple[float, float] | str | None] = {
    "1,2,a": (1, 2),
    '5,6,"a\nb"': (5, 6),
    '5,6,"a,b"': (5, 6),
    "1,2,p\rq": (1, 2),
    '3,4,"p\rq"': (3, 4),
    "3\r,4,p\r": (3, 4),
    '3,4,"p""\rq"': (3, 4),
    "5,6," + "n" * 140_000: (5, 6),
    '5,6,""': (5, 6),
    '"5","6",': (5, 6),
    ",,": (NAN, NAN),
    '3,"",a': (3, NAN),
    "3,4": FEW,
    "\ufeff,9,": "'x_0': '\\ufeff' is no FP32",
    "7": "1 fields, 3 expected",
    ",": FEW,
    '7,"a,b"': FEW,
    '""': "1 fields, 3 expected",
    " ": "1 fields, 3 expected",
    "#,,": "'x_0': '#' is no FP32",
    "1;5,2,": "'x_0': '1;5' is no FP32",
    "8,9,a,": MANY,
    "8,9,a,b,c": "5 fields, 3 expected",
    '8,9,"a"\rb': STRAY,
    "\x1a": "Ctrl-Z",
    "8,\x1a,": "'x_1': '\\x1a' is no FP32",
    "": None,
}
LINES_WITHOUT_NEWLINES = {line: given for line, given in LINES.items() if "\n" not in line} | {
    '1,2,a"b"': (1, 2),
    '1,2,a"b': (1, 2),
    '8,9,"a': STRAY,
    '8,9,"a"b': STRAY,
    "8,\0,a": " is NUL",
}
"""Each record, and what it gives: a row, the reason for which it is rejected, or nothing."""


@given(
    st.lists(st.sampled_from(sorted(LINES)), min_size=1),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_whatever_a_block_begins_with_each_record_gives_its_own(
    lines: list[str], newline: str, final: bool
) -> None:
    records = CsvRecords(COLUMNS, match_columns([PAIR], COLUMNS))
    each_gives_its_own(records, LINES, lines, newline, final)


@given(
    st.lists(st.sampled_from(sorted(LINES_WITHOUT_NEWLINES)), min_size=1),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_where_each_line_is_a_record_a_stray_quote_is_its_own_alone(
    lines: list[str], newline: str, final: bool
) -> None:
    records = CsvRecords(COLUMNS, match_columns([PAIR], COLUMNS), quoted=False)
    each_gives_its_own(records, LINES_WITHOUT_NEWLINES, lines, newline, final)


def each_gives_its_own(
    records: CsvRecords, known: Mapping[str, Any], lines: list[str], newline: str, final: bool
) -> None:
    final = final or not lines[-1]
    block = (newline.join(lines) + (newline if final else "")).encode()

    rows = records.read(block, 100, 1_000)

    fitting = {n: own for n, line in enumerate(lines) if isinstance(own := known[line], tuple)}
    wrong = {n: own for n, line in enumerate(lines) if isinstance(own := known[line], str)}
    (tensor,) = rows.inputs
    assert repr(tensor.array.tolist()) == repr([[*map(float, row)] for row in fitting.values()])
    assert [rows.record(row) - 100 for row in range(rows.count)] == list(fitting)
    assert [reject.record - 100 for reject in rows.rejects] == list(wrong)
    for reject, reason in zip(rows.rejects, wrong.values(), strict=True):
        assert reason in reject.reason
        assert block[(reject.offset or 0) - 1_000 :].startswith(reject.text.encode())


TEXTS: dict[str, bytes | None] = {
    "k": b"k",
    '""': b"",
    " ": b" ",
    "p\rq": b"p\rq",
    "p\r": b"p",
    "p\r\r": b"p\r",
    '"r,s"': b"r,s",
    "": None,
    "\r": None,
    "\r\r": None,
    "\x1a": None,
    "k,1": None,
}
"""Lines of a file of one column, and their text; None: it is rejected, or no record."""


@given(st.lists(st.sampled_from(sorted(TEXTS)), min_size=1))
def test_each_text_of_a_file_of_one_column_is_its_own(lines: list[str]) -> None:
    texts = TensorSpec("note", "BYTES", (-1,))
    records = CsvRecords(("note",), match_columns([texts], ("note",)))
    rows = records.read("".join(line + "\n" for line in lines).encode(), 0, 0)
    expected = [text for line in lines if (text := TEXTS[line]) is not None]
    assert rows.inputs[0].array.tolist() == expected


def test_text_is_the_same_beside_a_record_that_only_python_reads() -> None:
    texts = TensorSpec("note", "BYTES", (-1, 1))
    records = CsvRecords(("note",), match_columns([texts], ("note",)), keep=True)
    block = b'\xef\xbb\xbfk\np\rq\n"r\rs"\r\n\r\n' + b"l" * 140_000 + b"\n"
    alone, beside = (records.read(b"k\n" + block + more, 0, 0) for more in (b"", b"1,2\n"))
    assert [len(alone.rejects), len(beside.rejects)] == [0, 1]
    assert alone.inputs[0].array.tolist() == beside.inputs[0].array.tolist()
    assert alone.inputs[0].array.ravel().tolist()[1:4] == [b"\xef\xbb\xbfk", b"p\rq", b"r\rs"]


@pytest.mark.parametrize("begin", ["7\n", "8,9\n", "\n\n", "\r\n", "8,9,a,b\n", "\x1a\n"])
@pytest.mark.parametrize("rows", [1, 400])
def test_a_job_and_its_dry_run_take_a_file_whose_records_begin_so(begin: str, rows: int) -> None:
    body = ("x_0,x_1,note\n" + begin + "1,2,a\n" * rows).encode()
    stage = BatchStage(measurements={"rows_per_second": 1, "best_batch_size": 3})
    options = {"max_rejected_percent": 100}

    job = stage.run(stage.upload("rows.csv", body, options))

    assert (job.status, job.error, job.rows) == ("succeeded", None, rows)
    assert job.rejected == int(bool(begin.strip()))
    asked = JobRequest.from_json("adding", {"input": job.input[0], "options": options})
    assert stage.planning.preview(asked, "1").files == 1


@pytest.mark.slow
@given(st.lists(st.sampled_from(sorted(LINES)), max_size=12), st.integers(1, 60))
def test_a_job_of_any_blocks_and_shards_equals_its_records(lines: list[str], size: int) -> None:
    body = "".join(line + "\n" for line in [",".join(COLUMNS), "1,2,a", *lines]).encode()
    stage = BatchStage(measurements={"rows_per_second": 1, "best_batch_size": 3})
    options = {"max_rejected_percent": 100, "shard_bytes": size, "csv": {"header": True}}

    job = stage.run(stage.upload("rows.csv", body, options))

    assert (job.status, job.error) == ("succeeded", None)
    kinds = [type(LINES[line]) for line in lines]
    assert (job.rows, job.rejected) == (1 + kinds.count(tuple), kinds.count(str))
