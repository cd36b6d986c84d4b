"""golden.jsonl: every malformed line is named, with what is wrong."""

import json
from typing import Any

import numpy as np
import pytest

from serval.errors import BundleRefused
from serval.models.signature import Signature, TensorSpec
from serval.models.tensor import DATATYPES, Tensor
from serval.protocol.binary_tensors import bytes_array
from serval.protocol.request import read_request
from serval.rollouts import outcomes
from serval.rollouts.golden import requests
from serval.rollouts.golden.requests import read_golden, write_line
from tests.fakes.golden import line, rows, tensor

GOOD = rows([1.0, 2.0], [2.0, 3.0])
X = tensor("x", "FP32", [1, 1], [1.0])
REQUEST = {"inputs": [X]}


def reasons(text: bytes) -> list[str]:
    with pytest.raises(BundleRefused) as refused:
        read_golden("golden.jsonl", text)
    return list(refused.value.reasons)


def pair(**members: Any) -> bytes:
    return json.dumps(members).encode()


def packed(text: Any) -> Any:
    """Build a tensor with base64 in place of data."""
    return {"name": "x", "datatype": "FP32", "shape": [1, 1], "base64": text}


def outputs(*tensors: Any) -> bytes:
    return pair(request=REQUEST, response={"outputs": tensors})


def test_a_line_is_a_request_and_what_is_expected_of_it() -> None:
    first, second = read_golden("golden.jsonl", GOOD + b"\r\n\n" + GOOD)

    assert (first.line, second.line) == (1, 4)
    assert json.loads(first.body) == {"inputs": [tensor("x", "FP32", [1, 2], [1.0, 2.0])]}
    [expected] = first.expected
    assert (expected.name, expected.array.tolist()) == ("y", [[2.0, 3.0]])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"{", "line 1: not JSON: unexpected end of data (column 2)"),
        (b"[1]", "line 1: not a JSON object"),
        (b'{"request": NaN}', "line 1: not JSON"),
        (b"\xff", "line 1: not JSON"),
        (pair(request=REQUEST), "line 1: 'response' is missing or not an object"),
        (pair(request=[], response={}), "line 1: 'request' is missing or not an object"),
        (pair(request={}, response={}), "line 1: 'inputs' is missing or not a list of tensors"),
        (pair(request=REQUEST, response={}), "line 1: 'outputs' is missing"),
        (outputs(), "line 1: 'outputs' of the response is empty"),
        (outputs(7), "line 1: outputs[0] is not an object with a 'name'"),
        (outputs({"name": "y"}), "line 1: tensor 'y': datatype null given"),
        (outputs(tensor("y", "FLOAT", [1], [1.0])), "tensor 'y': datatype 'FLOAT' given"),
        (outputs({**X, "shape": "2"}), "tensor 'x': shape '2' given"),
        (outputs({**X, "shape": [-1]}), "tensor 'x': shape [-1]: -1 is not an extent"),
        (outputs(tensor("y", "FP32", [2], [1.0])), "tensor 'y': shape [2] holds 2 values, got 1"),
        (outputs(tensor("y", "FP32", [2, 2], [[1.0], [1.0, 2.0]])), "does not follow shape [2, 2]"),
        (outputs(tensor("y", "INT64", [1], [0.5])), "element 0 is 0.5, an integer expected"),
        (outputs({"name": "y", "datatype": "FP32", "shape": [1]}), "'y': one of 'data' and"),
        (outputs({**X, "base64": "AAAAAA=="}), "'x': one of 'data' and 'base64' expected"),
        (outputs(packed("no base64")), "tensor 'x': 'base64' is invalid: "),
        (outputs(packed(7)), "tensor 'x': 'base64' is invalid: "),
        (outputs(packed("AAA=")), "tensor 'x': shape [1, 1] of FP32 takes 4 bytes, got 2"),
        (outputs(X, X), "line 1: output 'x' is given twice"),
        (GOOD + b"\n{}\n", "line 3: 'request' is missing"),
        (b"\n \n", "golden.jsonl has no requests"),
    ],
)
def test_a_malformed_line_is_named_with_what_is_wrong(text: bytes, reason: str) -> None:
    [only] = reasons(text)
    assert only.startswith("golden.jsonl")
    assert reason in only


def test_every_malformed_line_is_named_up_to_ten() -> None:
    found = reasons(GOOD + b"{\n" * 12)

    assert len(found) == 11
    assert [why.partition(":")[0] for why in found[:2]] == [
        "golden.jsonl line 2",
        "golden.jsonl line 3",
    ]
    assert found[10] == "and 2 more like these"


@pytest.mark.parametrize("depth", [300, 1000, 100_000])
def test_a_line_that_nests_too_deeply_is_named(depth: int) -> None:
    deep = b"[" * depth + b"]" * depth
    text = b'{"request": {"inputs": [], "x": %s}, "response": {"outputs": []}}' % deep
    [reason] = reasons(text)
    assert "golden.jsonl line 1: " in reason
    assert "deep" in reason or "depth" in reason


def test_a_reason_has_a_length_to_read() -> None:
    [reason] = outcomes.first_reasons(["y" * 5_000])
    assert len(reason) == outcomes.LIMIT_REASON_CHARACTERS


def test_files_are_read_up_to_their_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "LIMIT_BYTES", len(GOOD) * 3)
    monkeypatch.setattr(requests, "LIMIT_LINES", 2)

    assert len(read_golden("golden.jsonl", GOOD * 2)) == 2
    assert reasons(GOOD * 4) == [
        f"golden.jsonl: {len(GOOD) * 4} bytes, at most {len(GOOD) * 3} allowed"
    ]
    assert reasons(GOOD * 3) == ["golden.jsonl: 3 lines, at most 2 allowed"]


def test_json_is_no_longer_than_a_request_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    [read] = read_golden("golden.jsonl", GOOD)
    most = len(read.body) - 1
    monkeypatch.setattr(requests, "JSON_LIMIT_BYTES", most)
    assert reasons(GOOD) == [
        f"golden.jsonl line 1: the request is {most + 1} bytes of JSON, at most {most} allowed: "
        "give large tensors 'base64' in place of 'data'"
    ]


@pytest.mark.parametrize("datatype", sorted(DATATYPES))
def test_every_datatype_comes_back_as_it_was_written(datatype: str) -> None:
    if datatype == "BYTES":
        array = bytes_array([b"caf\xc3\xa9", b"\xff"], [2])
    else:
        array = np.array([0, 1], DATATYPES[datatype])
    signature = Signature((TensorSpec("x", datatype, (-1,)),), ())
    text = write_line([Tensor("x", datatype, array)], [Tensor("y", datatype, array)])
    [read] = read_golden("golden.jsonl", text.encode())
    [sent] = read_request(read.body, read.header_length, signature).inputs
    [expected] = read.expected
    for found in (sent, expected):
        assert found.datatype == datatype
        assert found.array.tolist() == array.tolist()


def test_an_image_is_written_as_bytes() -> None:
    image = np.random.default_rng(1).random((1, 3, 640, 640), np.float32)
    text = write_line([Tensor("x", "FP32", image)], [Tensor("y", "FP32", image[0, 0, 0])])
    assert len(text) < 1.4 * image.nbytes
    [read] = read_golden("golden.jsonl", text.encode())
    spec = TensorSpec("x", "FP32", (-1, 3, 640, 640))
    [sent] = read_request(read.body, read.header_length, Signature((spec,), ())).inputs
    assert np.array_equal(sent.array, image)
    assert json.loads(text)["response"]["outputs"][0]["data"][0] == float(str(image[0, 0, 0, 0]))


def test_half_precision_is_expected_as_plain_numbers() -> None:
    [read] = read_golden("golden.jsonl", line([X], [tensor("y", "BF16", [2], [0.5, 1])]))
    [expected] = read.expected
    assert (expected.datatype, expected.array.tolist()) == ("BF16", [0.5, 1.0])


def test_what_json_cannot_say_is_spelled() -> None:
    [read] = read_golden("golden.jsonl", rows([1.0, 2.0], ["NaN", "-Infinity"]))
    assert str(read.expected[0].array.tolist()) == "[[nan, -inf]]"
