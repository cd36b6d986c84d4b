"""Requests: every malformed one is refused with the tensor, the value and the expectation."""

import gzip
import json
import time
import tracemalloc
import zlib
from typing import Any

import numpy as np
import pytest

from serval.errors import (
    InvalidInputs,
    InvalidParameter,
    InvalidRequest,
    InvalidTensor,
    MalformedBody,
    PayloadTooLarge,
    ServalError,
    UnsupportedFeature,
)
from serval.protocol.content import INFLATED_LIMIT_BYTES, body_of, inflate
from serval.protocol.request import read_request
from serval.signatures import Signature, TensorSpec

SIGNATURE = Signature((TensorSpec("x", "FP32", (-1, 2)),), ())


def tensor(**members: Any) -> dict[str, Any]:
    return {"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]} | members


def read(**members: Any) -> Any:
    return read_request(json.dumps({"inputs": [tensor()]} | members), None, SIGNATURE)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (tensor(data=[1, 2, 3]), r"tensor 'x': shape \[1, 2\] holds 2 values, got 3"),
        (tensor(data=[1, "a"]), "tensor 'x': element 1 is 'a', a number expected for FP32"),
        (tensor(data=[1, None]), "tensor 'x': element 1 is None, a number expected"),
        (tensor(data=[1, True]), "tensor 'x': element 1 is True, a number expected"),
        (tensor(data=[1, 1e39]), r"tensor 'x': 1e\+39 does not fit FP32"),
        (tensor(data=7), "tensor 'x': data: an array expected, got 7"),
        (tensor(data=[[1], [2]]), r"nested data does not follow shape \[1, 2\] on axis 0"),
        (tensor(data=[[[1], [2]]]), r"data is nested deeper than shape \[1, 2\]"),
        (tensor(shape=[-1, 2]), r"tensor 'x': shape \[-1, 2\]: -1 is not an extent"),
        (tensor(shape=[2**63, 2]), "is not an extent"),
        (tensor(shape=[2.0, 1]), "2.0 is not an extent"),
        (tensor(shape=[True, 2]), "True is not an extent"),
        (tensor(shape=[1] * 33), "a list of at most 32 expected"),
        (tensor(shape="1,2"), "shape '1,2' given, a list"),
        (tensor(datatype="FP99"), "datatype 'FP99' given, one of BOOL, UINT8"),
        (tensor(datatype=None), "datatype None given, one of"),
        (tensor(datatype="INT8", data=[1, 128]), "tensor 'x': 128 does not fit INT8"),
        (tensor(datatype="INT64", data=[1, 2**63]), "does not fit INT64"),
        (tensor(datatype="INT64", data=[1, 1.5]), "element 1 is 1.5, an integer expected"),
        (tensor(datatype="UINT64", data=[1, -1]), "element 1 is -1, an integer that is not neg"),
        (tensor(datatype="BOOL", data=[0, 1]), "element 0 is 0, true or false expected"),
        (tensor(datatype="BYTES", data=["a", 1]), "element 1 is 1, a string expected"),
        (tensor(datatype="FP16"), "FP16 travels only as a binary tensor"),
        (tensor(datatype="BF16"), "BF16 travels only as a binary tensor"),
        (tensor(parameters={"binary_data_size": 8}), "both 'data' and 'parameters.binary_data"),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(bad: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidTensor, match=message):
        read(inputs=[bad])


def test_a_tensor_without_data_says_what_is_missing() -> None:
    bare = {"name": "x", "datatype": "FP32", "shape": [1, 2]}
    with pytest.raises(InvalidTensor, match=r"neither 'data' nor 'parameters\.binary_data_size'"):
        read(inputs=[bare])


@pytest.mark.parametrize(
    ("members", "error", "message"),
    [
        ({"inputs": {}}, MalformedBody, "'inputs' is missing or not a list of tensors"),
        ({"inputs": [3]}, MalformedBody, r"inputs\[0\] is not an object with a 'name'"),
        ({"inputs": [{}]}, MalformedBody, r"inputs\[0\] is not an object with a 'name'"),
        ({"inputs": [tensor()] * 2}, InvalidInputs, "input 'x' is given twice"),
        ({"outputs": [{"name": "y"}] * 2}, InvalidInputs, "output 'y' is requested twice"),
        ({"outputs": 1}, MalformedBody, "'outputs' is missing or not a list"),
        ({"id": 7}, InvalidParameter, "parameter 'id': 7 given, a string expected"),
        ({"parameters": []}, InvalidParameter, "an object expected"),
        (
            {"parameters": {"binary_data_output": "yes"}},
            InvalidParameter,
            "parameter 'binary_data_output': 'yes' given, true or false expected",
        ),
        (
            {"outputs": [{"name": "y", "parameters": {"classification": 3}}]},
            UnsupportedFeature,
            "output 'y': 'classification' is not supported",
        ),
    ],
)
def test_a_document_that_is_no_request_is_refused(
    members: dict[str, Any], error: type[ServalError], message: str
) -> None:
    with pytest.raises(error, match=message):
        read(**members)


@pytest.mark.parametrize("body", ["[]", "3", "nul", "{", '{"inputs":[}', "\ud800"])
def test_a_body_that_is_no_json_object_is_refused(body: str) -> None:
    with pytest.raises(MalformedBody):
        read_request(body, None, SIGNATURE)


def test_a_number_beyond_64_bits_is_refused() -> None:
    with pytest.raises(MalformedBody, match=r"the body is not valid JSON: .*64 bits"):
        read(inputs=[tensor(shape=[2**70, 2])])


def test_unknown_members_are_tolerated() -> None:
    assert read(model_name="m", whatever=[1]).inputs[0].name == "x"


def test_integers_are_good_floats() -> None:
    assert read(inputs=[tensor(data=[1, 2])]).inputs[0].array.tolist() == [[1.0, 2.0]]


def test_the_whole_range_of_uint64_is_read() -> None:
    big = tensor(datatype="UINT64", data=[0, 2**64 - 1])
    assert read(inputs=[big]).inputs[0].array.tolist() == [[0, 2**64 - 1]]


def binary(size: int, tail: bytes, **members: Any) -> tuple[bytes, str]:
    item = {"name": "x", "datatype": "FP32", "shape": [1, 2]} | members
    head = json.dumps({"inputs": [item | {"parameters": {"binary_data_size": size}}]}).encode()
    return head + tail, str(len(head))


@pytest.mark.parametrize(
    ("size", "tail", "members", "message"),
    [
        (8, b"1234", {}, "binary_data_size is 8, but 4 bytes are left"),
        (4, b"12345678", {}, r"shape \[1, 2\] of FP32 takes 8 bytes, got 4"),
        (8, b"123456789", {}, "the binary tensors take 8 bytes, but 9 follow"),
        (-1, b"", {}, "binary_data_size -1 is not a number of bytes"),
        (2, b"\x02\x00", {"datatype": "BOOL"}, "a BOOL byte is neither 0 nor 1"),
        (6, b"\xff\0\0\0ab", {"datatype": "BYTES", "shape": [1]}, "element 0 ends after"),
        (6, b"\x01\0\0\0ab", {"datatype": "BYTES", "shape": [1]}, "1 bytes follow the last"),
        (4, b"\0\0\0\0", {"datatype": "BYTES", "shape": [2]}, "take at least 8 bytes, got 4"),
    ],
)
def test_a_binary_tensor_that_does_not_fit_is_named(
    size: int, tail: bytes, members: dict[str, Any], message: str
) -> None:
    with pytest.raises((InvalidTensor, MalformedBody), match=message):
        read_request(*binary(size, tail, **members), SIGNATURE)


@pytest.mark.parametrize("length", ["-1", "x", "1e3", "", "9" * 30, "٣"])
def test_a_header_length_that_is_no_number_is_refused(length: str) -> None:
    with pytest.raises(MalformedBody, match="a whole number of bytes expected"):
        read_request(b"{}", length, SIGNATURE)


def test_a_header_length_beyond_the_body_is_refused() -> None:
    with pytest.raises(MalformedBody, match="is 3, but the body has 2 bytes"):
        read_request(b"{}", "3", SIGNATURE)


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.mark.parametrize("depth", [10, 990, 1015])
@pytest.mark.parametrize(
    "document",
    [
        '{"inputs": [{"name": "x", "datatype": %s}]}',
        '{"inputs": [{"name": "x", "datatype": "FP32", "shape": %s}]}',
        '{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [{"a": %s}]}]}',
        '{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": {"a": %s}}]}',
        '{"inputs": [{"name": "x", "datatype": "BYTES", "shape": [2], "data": ["a", %s]}]}',
        '{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "parameters": %s}]}',
        '{"id": %s, "inputs": []}',
        '{"parameters": {"binary_data_output": %s}, "inputs": []}',
    ],
)
def test_nesting_is_refused_however_deep_in_a_short_message(document: str, depth: int) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_request(document % nested(depth), None, SIGNATURE)
    assert len(str(refused.value)) < 300
    assert " object at 0x" not in str(refused.value)


@pytest.mark.parametrize("huge", ["y" * 100_000, "\x01" * 100_000, ["y" * 100_000], [1] * 100_000])
@pytest.mark.parametrize(
    "members",
    [
        lambda huge: {"inputs": [tensor(name=f"{huge}", data=1)]},
        lambda huge: {"inputs": [tensor(name=f"{huge}")] * 2},
        lambda huge: {"inputs": [tensor(parameters={"shared_memory_region": 1}, name=f"{huge}")]},
        lambda huge: {"inputs": [tensor(datatype=huge)]},
        lambda huge: {"inputs": [tensor(shape=[huge])]},
        lambda huge: {"inputs": [tensor(data={"a": huge})]},
        lambda huge: {"inputs": [tensor(parameters={"binary_data_size": huge})]},
        lambda huge: {"id": [huge]},
        lambda huge: {"parameters": [huge]},
        lambda huge: {"parameters": {"binary_data_output": huge}},
        lambda huge: {"outputs": [{"name": f"{huge}"}] * 2},
        lambda huge: {"outputs": [{"name": f"{huge}", "parameters": {"classification": 1}}]},
    ],
)
def test_a_message_does_not_repeat_all_that_was_sent(members: Any, huge: Any) -> None:
    with pytest.raises(ServalError) as refused:
        read(**members(huge))
    assert len(str(refused.value)) < 300


def test_members_that_nobody_knows_cost_no_more_than_their_length() -> None:
    unknown = {f"k{number}": 0 for number in range(100_000)}
    started = time.process_time()
    assert read(**unknown).inputs[0].name == "x"
    assert read(inputs=[tensor(**unknown)]).inputs[0].name == "x"
    assert time.process_time() - started < 1


def test_deeply_nested_elements_cost_no_more_than_flat_ones() -> None:
    many = "[" * 900 + ",".join(['"a"'] * 50_000) + "]" * 900
    text = '{"inputs": [{"name": "x", "datatype": "BYTES", "shape": [50001], "data": ["a", %s]}]}'
    started = time.process_time()
    assert read_request(text % many, None, SIGNATURE).inputs[0].array.size == 50_001
    assert time.process_time() - started < 0.5


def test_a_member_with_an_odd_name_is_tolerated() -> None:
    assert read(**{"\0": 1, "": 2, "\N{SNOWMAN}": 3}).inputs[0].name == "x"


@pytest.mark.parametrize("shape", [[0, 2**63 - 1], [2**63 - 1, 2**63 - 1, 0], [2**62, 2**62]])
@pytest.mark.parametrize("datatype", ["FP32", "BYTES", "BOOL"])
def test_a_shape_that_no_array_has_is_refused_empty_or_not(shape: list[int], datatype: str) -> None:
    with pytest.raises(InvalidTensor, match="is more than any tensor holds"):
        read(inputs=[tensor(datatype=datatype, shape=shape, data=[])])
    with pytest.raises(InvalidTensor, match="is more than any tensor holds"):
        read_request(*binary(0, b"", datatype=datatype, shape=shape), SIGNATURE)


def test_an_empty_tensor_is_read() -> None:
    empty = tensor(shape=[0, 2**40], data=[])
    assert read(inputs=[empty]).inputs[0].array.shape == (0, 2**40)


def test_a_claimed_shape_takes_no_memory() -> None:
    huge = tensor(shape=[2**40, 2], data=[1, 2])
    tracemalloc.start()
    with pytest.raises(InvalidTensor, match="holds 2199023255552 values, got 2"):
        read(inputs=[huge])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def test_a_raw_request_takes_everything_else_from_the_signature() -> None:
    raw = np.array([[1, 2]], "<f4").tobytes()
    request = read_request(raw, "0", SIGNATURE)
    assert request.inputs[0].array.tolist() == [[1.0, 2.0]]
    assert request.binary_outputs


def test_a_raw_request_of_a_model_with_two_inputs_is_refused() -> None:
    two = Signature((SIGNATURE.inputs[0], TensorSpec("z", "FP32", (1,))), ())
    with pytest.raises(MalformedBody, match="needs a model with one input, this one has 2"):
        read_request(b"1234", "0", two)


def test_text_that_was_gzip_is_recognised() -> None:
    mangled = gzip.compress(b"{}").decode("utf-8", "replace")
    with pytest.raises(MalformedBody, match="send 'Content-Type: application/octet-stream'"):
        body_of(mangled, False)


@pytest.mark.parametrize("body", [None, ""])
def test_an_empty_body_says_what_is_expected(body: str | None) -> None:
    with pytest.raises(MalformedBody, match="a V2 inference request is expected"):
        body_of(body, False)


@pytest.mark.parametrize(("text", "is_base64"), [("x" * 5_500_001, False), ("A" * 6_000_000, True)])
def test_a_body_over_the_limit_is_refused(text: str, is_base64: bool) -> None:
    with pytest.raises(PayloadTooLarge, match="send fewer rows"):
        body_of(text, is_base64)


def test_damaged_base64_is_refused() -> None:
    with pytest.raises(MalformedBody, match="not valid base64"):
        body_of("a$b=", True)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_bomb_is_refused_before_it_goes_off(encoding: str) -> None:
    window = 31 if encoding == "gzip" else 15
    compressor = zlib.compressobj(9, zlib.DEFLATED, window)
    bomb = b"".join(compressor.compress(bytes(2**24)) for _ in range(16)) + compressor.flush()
    tracemalloc.start()
    with pytest.raises(PayloadTooLarge, match="inflated body"):
        inflate(bomb, encoding)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * INFLATED_LIMIT_BYTES


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda body: body[:-9], "cut short"),
        (lambda body: body[:12] + b"\xff\xff" + body[14:], "damaged|cut short"),
        (lambda body: body + b"more", "4 bytes follow the compressed body's end"),
    ],
)
def test_a_damaged_gzip_body_is_refused(damage: Any, message: str) -> None:
    with pytest.raises(MalformedBody, match=message):
        inflate(damage(gzip.compress(b'{"inputs": []}' * 20)), "gzip")


def test_a_body_that_the_gateway_inflated_already_is_taken_as_it_is() -> None:
    assert inflate(b'{"inputs": []}', "gzip") == b'{"inputs": []}'


def test_another_encoding_is_refused_by_name() -> None:
    with pytest.raises(MalformedBody, match="'br': gzip, deflate or identity expected"):
        inflate(b"x", "br")
