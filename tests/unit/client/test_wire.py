"""What the client sends is what the API reads, and what it returns is what the API answered."""

import gzip
import json
import math
from typing import Any

import numpy as np
import pytest

from serval.client import InvalidInput
from serval.client.arrays import round_to_bfloat16
from serval.client.requests import as_json
from serval.client.wire import decode_response, encode_request
from serval.errors import InvalidTensor
from serval.models.signature import Signature, TensorSpec
from serval.models.tensor import DATATYPES, Array, Tensor
from serval.protocol.binary_tensors import bytes_array
from serval.protocol.content import inflate
from serval.protocol.request import InferenceRequest, read_request
from serval.protocol.response import InferenceResponse, write_response
from serval_cli.api.calls import readable_response


def tensor(datatype: str, shape: list[int], data: Any) -> dict[str, Any]:
    return {"name": "x", "datatype": datatype, "shape": shape, "data": data}


def read(request: dict[str, Any], datatype: str, shape: tuple[int, ...]) -> InferenceRequest:
    """Send a request, and read it as the API does."""
    body, headers = encode_request(request)
    sent = inflate(body, headers.get("content-encoding", ""))
    signature = Signature((TensorSpec("x", datatype, shape),), ())
    return read_request(sent, headers.get("inference-header-content-length"), signature)


def test_a_small_request_is_json_and_asks_for_binary_outputs() -> None:
    body, headers = encode_request({"inputs": [tensor("FP32", [1, 2], [[1, 2]])]})
    assert headers == {"content-type": "application/json"}
    assert json.loads(body)["parameters"] == {"binary_data_output": True}


def test_a_request_that_says_what_it_wants_of_its_outputs_gets_that() -> None:
    for asked in ({"outputs": [{"name": "y"}]}, {"parameters": {"binary_data_output": False}}):
        request = {"inputs": [tensor("FP32", [1], [1])], **asked}
        assert json.loads(encode_request(request)[0]) == request


@pytest.mark.parametrize("submitted", [False, True])
def test_lists_with_numbers_that_json_lacks_are_read_as_arrays_are(submitted: bool) -> None:
    given = [math.nan, math.inf, -math.inf, 1.5]
    for data in (given, [given[:2], given[2:]]):
        request = {"inputs": [tensor("FP32", [2, 2], data)]}
        [sent] = read(as_json(request) or {} if submitted else request, "FP32", (-1, 2)).inputs
        assert np.array_equal(sent.array.ravel(), np.array(given), equal_nan=True)


@pytest.mark.parametrize("submitted", [False, True])
def test_numbers_of_numpy_in_lists_are_read_as_numbers(submitted: bool) -> None:
    rows = [[np.float32(1.5), np.float64(2)], np.array([3, np.inf])]
    for data in (rows, [one for row in rows for one in row]):
        request = {"inputs": [tensor("FP32", [2, 2], data)]}
        [sent] = read(as_json(request) or {} if submitted else request, "FP32", (-1, 2)).inputs
        assert sent.array.tolist() == [[1.5, 2], [3, math.inf]]


def test_an_image_is_sent_as_bytes_and_compressed() -> None:
    image = np.linspace(0, 1, 256, dtype=np.float32).repeat(640 * 640 * 3 // 256)
    request = {"inputs": [tensor("FP32", [1, 3, 640, 640], image.tolist())]}
    body, headers = encode_request(request)
    assert headers["content-type"] == "application/octet-stream"
    assert len(gzip.decompress(body)) < image.nbytes + 1000
    [sent] = read(request, "FP32", (-1, 3, 640, 640)).inputs
    assert np.array_equal(sent.array.ravel(), image)


@pytest.mark.parametrize(
    ("datatype", "data"),
    [
        ("INT64", list(range(5000))),
        ("UINT8", [200] * 5000),
        ("BOOL", [True, False] * 2500),
        ("BYTES", ["é", ""] * 2500),
        ("FP16", [0.5, -2]),
    ],
)
def test_every_kind_of_tensor_arrives_as_it_was_written(datatype: str, data: list[Any]) -> None:
    request = {"inputs": [tensor(datatype, [len(data)], data)]}
    assert "inference-header-content-length" in encode_request(request)[1]
    [sent] = read(request, datatype, (-1,)).inputs
    given = [item.decode() if isinstance(item, bytes) else item for item in sent.array.tolist()]
    assert given == data


@pytest.mark.parametrize(
    ("datatype", "data", "said"),
    [
        ("INT64", [0.5] * 5000, r"element 0 is 0\.5, an integer expected for INT64"),
        ("INT8", [300] * 5000, "300 does not fit INT8"),
        ("FP32", [1e300] * 5000, r"1e\+300 does not fit FP32"),
        ("INT64", [1, True] * 2500, "an integer expected"),
        ("FP32", ["x"] * 5000, "a number expected"),
        ("BYTES", [1] * 5000, "expected"),
        ("FP16", ["x"], "FP16 travels only as a binary tensor"),
    ],
)
def test_lists_that_do_not_fit_are_left_to_the_api_which_says_why(
    datatype: str, data: list[Any], said: str
) -> None:
    with pytest.raises(InvalidTensor, match=said):
        read({"inputs": [tensor(datatype, [len(data)], data)]}, datatype, (-1,))


@pytest.mark.parametrize("datatype", sorted(DATATYPES))
def test_an_array_arrives_as_it_is(datatype: str) -> None:
    array: Array = np.array([1, 0], np.float32 if datatype == "BF16" else DATATYPES[datatype])
    if datatype == "BYTES":
        array = np.array(["é", ""])
    [sent] = read({"inputs": [tensor(datatype, [2], array)]}, datatype, (-1,)).inputs
    expected = {"BYTES": ["é".encode(), b""], "BF16": [0x3F80, 0]}.get(datatype, [1, 0])
    assert sent.array.tolist() == expected


@pytest.mark.parametrize(
    ("array", "datatype"),
    [
        (np.array([0.5]), "INT64"),
        (np.array([300]), "UINT8"),
        (np.array([1]), "BOOL"),
        (np.array([1e300]), "FP32"),
        (np.array([1]), "BYTES"),
        (np.array(["x"]), "FP32"),
        (np.array([1 + 1j]), "FP32"),
    ],
)
def test_an_array_of_another_kind_is_refused_before_it_is_sent(array: Array, datatype: str) -> None:
    with pytest.raises(InvalidInput, match=f"input 'x': an array of .* given, .*{datatype}|text"):
        encode_request({"inputs": [tensor(datatype, [1], array)]})


def test_wider_numbers_become_the_tensors() -> None:
    request = {"inputs": [tensor("FP32", [2], np.array([0.1, np.inf]))]}
    [sent] = read(request, "FP32", (-1,)).inputs
    assert sent.array.tolist() == [np.float32(0.1), np.inf]


@pytest.mark.parametrize(
    ("value", "word"),
    [(1.0, 0x3F80), (3.1415927, 0x4049), (1.00390625, 0x3F80), (1.01171875, 0x3F82)],
)
def test_bfloat16_is_rounded_to_the_nearest_and_ties_to_even(value: float, word: int) -> None:
    assert round_to_bfloat16(np.array([value], np.float32)).tolist() == [word]


def test_not_a_number_stays_one_in_bfloat16() -> None:
    assert round_to_bfloat16(np.array([np.nan], np.float32)).tolist() == [0x7FC0]


@pytest.mark.parametrize("datatype", sorted(DATATYPES))
def test_a_binary_answer_is_shown_as_its_json_would_be(datatype: str) -> None:
    array: Array
    if datatype == "BYTES":
        array = bytes_array(["é".encode(), b""], [2])
    elif datatype == "BF16":
        array = np.array([0x3F80, 0x7F80], np.uint16)
    else:
        array = np.array([0, 1], DATATYPES[datatype])
    response = InferenceResponse("m", "1", [Tensor("y", datatype, array)])
    binary = write_response(response, InferenceRequest((), binary_outputs=True))
    plain = write_response(response, InferenceRequest(()))
    length = None if binary[1] is None else str(binary[1])
    assert readable_response(decode_response(binary[0], length)) == json.loads(plain[0])


def test_bytes_that_are_no_text_are_not_shown() -> None:
    written = InferenceResponse("m", "1", [Tensor("y", "BYTES", bytes_array([b"\xff"], [1]))])
    body, length = write_response(written, InferenceRequest((), binary_outputs=True))
    response = decode_response(body, str(length))
    assert readable_response(response)["outputs"][0]["data"] is None


def test_an_answer_that_is_no_response_is_said_to_be_none() -> None:
    with pytest.raises(InvalidInput, match="is not a V2 response"):
        decode_response(b"<html>", None)
