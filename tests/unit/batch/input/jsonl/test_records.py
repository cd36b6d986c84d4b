"""Reading JSONL blocks: three ways to write a record, one way to reject one."""

import numpy as np
import pytest

from serval.batch.input.jsonl.records import JsonlRecords
from serval.models.signature import TensorSpec

PAIR = TensorSpec("x", "FP32", (-1, 2))


def read(block: bytes, *specs: TensorSpec, keep: bool = False):
    return JsonlRecords(specs or (PAIR,), keep=keep).read(block, 0, 0)


@pytest.mark.parametrize(
    "block",
    [
        b'{"x": [1, 2]}\n{"x": [3, 0.5]}\n',
        b"[1, 2]\n[3, 0.5]",
        b'{"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]}\n'
        b'{"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [[3, 0.5]]}]}\n',
    ],
    ids=["objects", "bare arrays", "inference requests"],
)
@pytest.mark.parametrize("keep", [False, True])
def test_records_may_be_written_in_three_ways(block: bytes, keep: bool) -> None:
    rows = read(block, keep=keep)
    assert rows.rejects == ()
    assert rows.inputs[0].array.dtype == np.float32
    assert rows.inputs[0].array.tolist() == [[1, 2], [3, 0.5]]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"{", "the line is not JSON"),
        (b"7", "7 given, an object or an array expected"),
        (b'{"y": 1}', "input 'x' is missing; the line has 'y'"),
        (b'{"x": [1]}', "input 'x': shape [1] given, [2] expected"),
        (b'{"x": ["a", "b"]}', "input 'x': ['a', 'b'] is no FP32"),
        (b'{"x": [1, null]}', "input 'x': [1, null] is no FP32"),
        (b'{"x": [[1], [2, 3]]}', "input 'x': its rows have unequal lengths"),
        (b'{"x": "\xff"}', "the line is not JSON"),
        (b'{"inputs": [{"name": "x", "shape": [2, 2], "data": [1, 2]}]}', "a record is a row"),
        (b'{"inputs": [{"name": "x"}]}', "inputs: name, shape [1, …] and data expected"),
    ],
)  # fmt: skip
def test_a_line_that_does_not_fit_is_rejected_alone(line: bytes, said: str) -> None:
    rows = JsonlRecords((PAIR,)).read(b'{"x": [1, 2]}\n' + line + b'\n{"x": [3, 4]}\n', 5, 100)
    assert rows.inputs[0].array.tolist() == [[1, 2], [3, 4]]
    (reject,) = rows.rejects
    assert said in reject.reason
    assert (reject.record, reject.offset) == (6, 114)


def test_whole_numbers_stay_whole() -> None:
    spec = TensorSpec("n", "INT8", (-1,))
    rows = read(b'{"n": 1}\n{"n": 300}\n{"n": 1.5}\n', spec)
    assert rows.inputs[0].array.tolist() == [1]
    assert "is out of the range of INT8" in rows.rejects[0].reason
    assert "is no INT8" in rows.rejects[1].reason


def test_texts_are_bytes() -> None:
    spec = TensorSpec("t", "BYTES", (-1, 1))
    rows = read('{"t": ["é"]}\n{"t": "a"}\n{"t": [1]}\n'.encode(), spec)
    assert rows.inputs[0].array.tolist() == [["é".encode()], [b"a"]]
    assert "text expected" in rows.rejects[0].reason


def test_blank_lines_are_no_records() -> None:
    assert read(b"\n[1, 2]\n\r\n[3, 4]\n\n").inputs[0].array.tolist() == [[1, 2], [3, 4]]


def test_extents_may_vary_from_row_to_row() -> None:
    rows = read(b"[1, 2]\n[3]\n", TensorSpec("x", "INT64", (-1, -1)))
    assert [row.tolist() for row in rows.inputs[0].array] == [[1, 2], [3]]


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("datatype", ["FP32", "INT64"])
def test_true_is_no_number_beside_numbers_either(datatype: str, keep: bool) -> None:
    spec = TensorSpec("x", datatype, (-1, 2))
    rows = JsonlRecords([spec], keep=keep).read(b'{"x":[true,1]}\n{"x":[2,3]}\n', 0, 0)
    assert rows.inputs[0].array.tolist() == [[2, 3]]
    assert [reject.record for reject in rows.rejects] == [0]
