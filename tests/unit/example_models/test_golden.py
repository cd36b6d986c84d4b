"""models/golden.py: held-out rows become golden requests."""

import json

import numpy as np
import pytest

from models import golden


def test_batches_double_and_the_last_takes_what_is_left():
    rows = list(range(10))
    assert [rows[batch] for batch in golden.batches(10)] == [[0], [1, 2], [3, 4, 5, 6], [7, 8, 9]]


@pytest.mark.parametrize(("dtype", "name"), [(np.float32, "FP32"), (np.int64, "INT64")])
def test_datatypes_are_named_as_the_protocol_does(dtype, name):
    assert golden.datatype(np.dtype(dtype)) == name


def test_a_line_is_a_v2_request_and_its_outputs(tmp_path):
    path = tmp_path / "golden.jsonl"

    golden.write(path, {"x": np.array([[0.1, 5.1]], np.float32)}, {"y": np.array([7])})

    assert json.loads(path.read_text()) == {
        "request": {
            "inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [0.1, 5.1]}]
        },
        "response": {"outputs": [{"name": "y", "datatype": "INT64", "shape": [1], "data": [7]}]},
    }
    assert path.read_text().endswith("}\n")
