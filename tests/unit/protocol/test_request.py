"""Requests: every malformed one is refused with the tensor, the value and the expectation."""

import json
import time
import tracemalloc
from typing import Any

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
from serval.models.signature import Signature, TensorSpec
from serval.protocol import even_lists
from serval.protocol.request import read_request

SIGNATURE = Signature((TensorSpec("x", "FP32", (-1, 2)),), ())


def tensor(**members: Any) -> dict[str, Any]:
    return {"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]} | members


def read(**members: Any) -> Any:
    return read_request(json.dumps({"inputs": [tensor()]} | members), None, SIGNATURE)


def open_to(item: dict[str, Any]) -> Signature:
    """Give the signature of a model that takes any tensor of one's datatype and rank."""
    shape, datatype = item["shape"], item["datatype"]
    extents = tuple(-1 for _ in shape) if isinstance(shape, list) else (-1, 2)
    return Signature((TensorSpec("x", f"{datatype}", extents),), ())


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (tensor(data=[1, 2, 3]), r"tensor 'x': shape \[1, 2\] holds 2 values, got 3"),
        (tensor(data=[1, "a"]), "tensor 'x': element 1 is 'a', a number expected for FP32"),
        (tensor(data=[1, None]), "tensor 'x': element 1 is null, a number expected"),
        (tensor(data=[1, True]), "tensor 'x': element 1 is true, a number expected"),
        (tensor(data=[1, 1e39]), r"tensor 'x': 1e\+39 does not fit FP32"),
        (tensor(data=7), "tensor 'x': data: an array expected, got 7"),
        (tensor(data=[[1], [2]]), r"nested data does not follow shape \[1, 2\] on axis 0"),
        (tensor(data=[[[1], [2]]]), r"data is nested deeper than shape \[1, 2\]"),
        (tensor(data=[[1, [2]]]), r"data is nested deeper than shape \[1, 2\]"),
        (tensor(shape=[2, 2], data=[[1, 2, 3], [4]]), r"does not follow shape \[2, 2\] on axis 1"),
        (tensor(shape=[10**9, 10**9], data=[[1, 2]]), "does not follow shape .* on axis 0"),
        (tensor(shape=[], data=[[1]]), r"data is nested deeper than shape \[\]"),
        (tensor(shape=[-1, 2]), r"tensor 'x': shape \[-1, 2\]: -1 is not an extent"),
        (tensor(shape=[2**63, 2]), "is not an extent"),
        (tensor(shape=[2.0, 1]), "2.0 is not an extent"),
        (tensor(shape=[True, 2]), "true is not an extent"),
        (tensor(shape=[1] * 33), "a list of at most 32 expected"),
        (tensor(shape="1,2"), "shape '1,2' given, a list"),
        (tensor(datatype="FP99"), "datatype 'FP99' given, one of BOOL, UINT8"),
        (tensor(datatype=None), "datatype null given, one of"),
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
        read_request(json.dumps({"inputs": [bad]}), None, open_to(bad))


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
    read = read_request(json.dumps({"inputs": [big]}), None, open_to(big))
    assert read.inputs[0].array.tolist() == [[0, 2**64 - 1]]


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
        read_request(*binary(size, tail, **members), open_to(tensor(**members)))


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


def test_members_that_nobody_knows_are_tolerated_but_not_without_end() -> None:
    unknown = {f"k{number}": 0 for number in range(1000)}
    assert read(**unknown).inputs[0].name == "x"
    assert read(inputs=[tensor(**unknown)]).inputs[0].name == "x"
    endless = {f"k{number}": 0 for number in range(100_000)}
    for members in (
        endless,
        {"inputs": [tensor(**endless)]},
        {"parameters": endless},
        {"inputs": [tensor(parameters=endless)]},
    ):
        started = time.process_time()
        with pytest.raises(MalformedBody, match=r"an object has 10\d+ members, at most 1024"):
            read(**members)
        assert time.process_time() - started < 3


@pytest.mark.parametrize("more", [{}, {"outputs": [{"name": "y"}]}])
def test_the_text_proves_that_nested_data_is_even_without_a_look_at_each_row(
    more: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("each row is looked at")

    monkeypatch.setattr(even_lists, "check_nesting", refuse)
    rows = [[1, 2], [3, 4], [5, 6]]
    request = read(inputs=[tensor(shape=[3, 2], data=rows)], **more)
    assert request.inputs[0].array.tolist() == rows


def test_deeply_nested_elements_cost_no_more_than_flat_ones() -> None:
    many = "[" * 900 + ",".join(['"a"'] * 50_000) + "]" * 900
    text = '{"inputs": [{"name": "x", "datatype": "BYTES", "shape": [50001], "data": ["a", %s]}]}'
    texts = Signature((TensorSpec("x", "BYTES", (-1,)),), ())
    started = time.process_time()
    assert read_request(text % many, None, texts).inputs[0].array.size == 50_001
    assert time.process_time() - started < 3


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
    read = read_request(json.dumps({"inputs": [empty]}), None, open_to(empty))
    assert read.inputs[0].array.shape == (0, 2**40)


LISTS = "[" + ",".join(["[]"] * 100_000) + "]"
OBJECTS = "[" + ",".join(["{}"] * 100_000) + "]"
OBJECT = "{" + ",".join(f'"{number:x}":[]' for number in range(1000)) + "}"


@pytest.mark.parametrize("huge", [LISTS, OBJECTS, OBJECT], ids=["lists", "objects", "object"])
@pytest.mark.parametrize(
    "document",
    [
        '{"inputs": [{"name": "x", "datatype": "FP32", "shape": [100000, 2], "data": %s}]}',
        '{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 2], "data": %s}]}',
        '{"inputs": [{"name": "x", "datatype": "FP32", "shape": %s, "data": [1, 2]}]}',
        '{"inputs": [{"name": "x", "datatype": "FP32", "shape": [%s, 2], "data": [1, 2]}]}',
        '{"inputs": [{"name": "x", "datatype": %s, "shape": [1, 2], "data": [1, 2]}]}',
        '{"inputs": [{"name": "x", "datatype": "BYTES", "shape": [1, 2], "data": %s}]}',
        '{"inputs": [{"name": "y", "datatype": "FP32", "shape": [1, 2], "data": %s}]}',
        '{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "parameters": [%s]}]}',
        '{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "parameters": '
        '{"binary_data_size": %s}}]}',
        '{"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, %s]}]}',
        '{"inputs": [], "id": %s}',
        '{"inputs": %s}',
        '{"inputs": [], "parameters": {"binary_data_output": %s}}',
    ],
)
def test_nothing_is_built_of_what_is_refused(document: str, huge: str) -> None:
    text = document % huge
    tracemalloc.start()
    with pytest.raises(InvalidRequest):
        read_request(text, None, SIGNATURE)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def test_more_json_than_there_is_memory_for_is_refused_unread() -> None:
    body = json.dumps({"inputs": [tensor()]})
    assert read_request(body, None, SIGNATURE, len(body)).inputs
    with pytest.raises(PayloadTooLarge, match=r"JSON: .* send binary tensors, send fewer rows"):
        read_request(body, None, SIGNATURE, len(body) - 1)
    sent, length = binary(8, b"12345678")
    assert read_request(sent, length, SIGNATURE, int(length)).inputs
    with pytest.raises(PayloadTooLarge, match="JSON: "):
        read_request(sent, length, SIGNATURE, int(length) - 1)


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ('{"id": "a", "inputs": [], "id": "b"}', "id"),
        ('{"inputs": [{"name": "x", "data": [1], "data": [2]}]}', "data"),
        ('{"inputs": [{"name": "x", "nobody": 1, "nobody": 2}]}', "nobody"),
        ('{"inputs": [], "parameters": {"a": 1, "a": 1}}', "a"),
        ('{"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "parameters": '
         '{"binary_data_size": 1, "binary_data_size": 8}}]}', "binary_data_size"),
        ('{"outputs": [{"name": "y", "name": "z"}], "inputs": [{"name": "x", "shape": [1, 2], '
         '"datatype": "FP32", "data": [1, 2]}]}', "name"),
    ],
)  # fmt: skip
def test_a_member_that_is_there_twice_is_refused(body: str, name: str) -> None:
    with pytest.raises(MalformedBody, match=f"member '{name}' is there 2 times in one JSON obj"):
        read_request(body, None, SIGNATURE)
