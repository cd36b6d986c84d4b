"""Reading CSV blocks: what fits becomes rows, what does not is rejected by itself."""

import numpy as np
import pytest

from serval.batch.input.columns import ColumnChoice, match_columns
from serval.batch.input.csv.records import CsvRecords
from serval.errors import BatchRefused
from serval.models.signature import TensorSpec

PAIR = TensorSpec("x", "FP32", (-1, 2))
COLUMNS = ("note", "x_0", "x_1")


def reader(*specs: TensorSpec, columns: tuple[str, ...] = COLUMNS, keep: bool = False):
    specs = specs or (PAIR,)
    return CsvRecords(columns, match_columns(specs, columns), keep=keep)


def test_columns_become_the_arrays_of_inputs() -> None:
    rows = reader().read(b'a,1,2.5\n"b, ""c""",3,1e-3\n', 0, 0)
    assert rows.inputs[0].array.dtype == np.float32
    assert rows.inputs[0].array.tolist() == [[1.0, 2.5], [3.0, np.float32(1e-3)]]
    assert rows.rejects == ()


def test_rows_that_do_not_fit_are_rejected_one_by_one() -> None:
    block = b"a,1,2\nb,one,2\nc, ,4\nd,5,6\n"
    rows = reader(keep=True).read(block, 10, 100)
    assert rows.inputs[0].array.tolist() == [[1, 2], [5, 6]]
    assert [reject.to_json() for reject in rows.rejects] == [
        {
            "record": 11,
            "offset": 106,
            "reason": "column 'x_0': 'one' is no FP32",
            "text": "b,one,2",
        },
        {"record": 12, "offset": 114, "reason": "column 'x_0': ' ' is no FP32", "text": "c, ,4"},
    ]
    assert rows.passed is not None
    assert rows.passed["note"].to_list() == ["a", "d"]


def test_a_record_with_too_many_fields_takes_no_other_with_it() -> None:
    rows = reader().read(b"a,1,2\nb,1,2,3\nc,3,4\n", 0, 0)
    assert rows.inputs[0].array.tolist() == [[1, 2], [3, 4]]
    (reject,) = rows.rejects
    assert (reject.record, reject.offset) == (1, 6)
    assert "the record has 4 fields, 3 expected: 'note', 'x_0', 'x_1'" in reject.reason


def test_bytes_that_are_not_utf8_are_named() -> None:
    rows = reader().read(b"a,1,2\n\xff,1,2\n", 0, 1000)
    assert rows.count == 1
    assert rows.rejects[0].reason == "byte 1006 is not UTF-8"


def test_blank_lines_are_no_records_but_count_as_lines() -> None:
    rows = reader().read(b"a,1,2\n\r\n\nb,x,4\n", 0, 0)
    assert rows.count == 1
    assert [(reject.record, reject.offset) for reject in rows.rejects] == [(3, 9)]


def test_quoted_newlines_are_part_of_a_record() -> None:
    rows = reader(keep=True).read(b'"a\nb",1,2\r\nc,x,2\r\n', 0, 0)
    assert rows.passed is not None
    assert rows.passed["note"].to_list() == ["a\nb"]
    assert [(reject.record, reject.offset, reject.text) for reject in rows.rejects] == [
        (1, 11, "c,x,2")
    ]


@pytest.mark.parametrize(
    ("datatype", "text", "value"),
    [("INT64", "7", 7), ("BOOL", "True", True), ("FP64", " 0.5", 0.5), ("UINT8", "255", 255),
     ("BYTES", "é", "é".encode()), ("FP16", "0.5", 0.5)],
)  # fmt: skip
def test_text_is_read_as_the_datatype(datatype: str, text: str, value: object) -> None:
    spec = TensorSpec("v", datatype, (-1, 1))
    rows = reader(spec, columns=("v",)).read(f"{text}\n".encode(), 0, 0)
    assert rows.inputs[0].array.tolist() == [[value]]


@pytest.mark.parametrize(
    ("columns", "mapping", "found"),
    [
        (("x[0]", "x[1]"), {}, ("x[0]", "x[1]")),
        (("X_1", "z", "x_0"), {}, ("x_0", "X_1")),
        (("1", "0"), {}, ("0", "1")),
        (("a", "b", "c"), {"x": ["c", "a"]}, ("c", "a")),
    ],
    ids=["by name", "but for capital letters", "by number", "as mapped"],
)
def test_columns_are_found(columns, mapping, found) -> None:
    assert match_columns([PAIR], columns, ColumnChoice(mapping))[0].columns == found


@pytest.mark.parametrize(
    ("spec", "columns", "mapping", "said"),
    [
        (PAIR, ("a;b",), {}, "the file has 1 columns ('a;b'), and the inputs x need 2: is the"),
        (PAIR, ("a", "b"), {"y": ["a"]}, "'y' is no input: the model takes x"),
        (PAIR, ("a", "b"), {"x": ["a"]}, "input 'x' takes 2 for a row, 1 given"),
        (PAIR, ("a", "b"), {"x": ["a", "z"]}, "the file has no column 'z'; it has 'a', 'b'"),
        (TensorSpec("x", "FP32", (-1, -1)), ("a",), {}, "send the rows as JSONL"),
    ],
)
def test_columns_that_do_not_fit_are_refused(spec, columns, mapping, said: str) -> None:
    with pytest.raises(BatchRefused) as refused:
        match_columns([spec], columns, ColumnChoice(mapping))
    assert said in str(refused.value)


def test_where_no_newline_is_quoted_a_stray_quote_takes_no_other_record_with_it() -> None:
    records = CsvRecords(COLUMNS, match_columns([PAIR], COLUMNS), quoted=False)
    rows = records.read(b'a,1,2\n"b,3,4\nc"",5,6\nd,7,8\n', 0, 0)
    assert rows.inputs[0].array.tolist() == [[1, 2], [5, 6], [7, 8]]
    assert [(reject.record, reject.offset) for reject in rows.rejects] == [(1, 6)]
    assert [rows.record(row) for row in range(rows.count)] == [0, 2, 3]
