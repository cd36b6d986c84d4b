"""What ``serval infer`` sends is what the API reads, and what it shows is what the API answered."""

import gzip
import json
from typing import Any

import numpy as np
import pytest

from serval.errors import InvalidTensor
from serval.models.signature import Signature, TensorSpec
from serval.models.tensor import DATATYPES, Array, Tensor
from serval.protocol.binary_tensors import bytes_array
from serval.protocol.content import inflate
from serval.protocol.request import InferenceRequest, read_request
from serval.protocol.response import InferenceResponse, write_response
from serval_cli.api.wire import decode_response, encode_request, round_to_bfloat16
from serval_cli.failures import CommandFailed


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


def test_data_that_does_not_fit_is_refused_as_the_api_refuses_it() -> None:
    with pytest.raises(InvalidTensor, match=r"element 0 is 0\.5, an integer expected for INT64"):
        encode_request({"inputs": [tensor("INT64", [5000], [0.5] * 5000)]})


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
    assert decode_response(binary[0], length) == json.loads(plain[0])


def test_bytes_that_are_no_text_are_not_shown() -> None:
    response = InferenceResponse("m", "1", [Tensor("y", "BYTES", bytes_array([b"\xff"], [1]))])
    body, length = write_response(response, InferenceRequest((), binary_outputs=True))
    assert decode_response(body, str(length))["outputs"][0]["data"] is None


def test_an_answer_that_is_no_response_is_said_to_be_none() -> None:
    with pytest.raises(CommandFailed, match="is not a V2 response"):
        decode_response(b"<html>", None)
