"""Codecs: what is written is read back, whatever the datatype, shape or wire form."""

import contextlib
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from serval.errors import ServalError
from serval.http.replies import deflate
from serval.models.signature import Signature, TensorSpec
from serval.models.tensor import DATATYPES, Tensor
from serval.protocol.binary_tensors import bytes_array, encode_binary
from serval.protocol.content import inflate
from serval.protocol.request import InferenceRequest, read_request
from serval.protocol.response import InferenceResponse, write_response

ONE_INPUT = Signature((TensorSpec("x", "FP32", (-1, 2)),), ())
shapes = hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4)


@st.composite
def tensors(draw: st.DrawFn, *, only_json: bool = False) -> Tensor:
    exact = sorted(DATATYPES.keys() - ({"FP16", "BF16"} if only_json else set()))
    datatype = draw(st.sampled_from(exact))
    shape = draw(shapes)
    if datatype == "BYTES":
        count = int(np.prod(shape))
        text = st.text(max_size=5).map(str.encode)
        element = text if only_json else st.binary(max_size=5)
        elements = draw(st.lists(element, min_size=count, max_size=count))
        return Tensor("x", datatype, bytes_array(elements, shape))
    return Tensor("x", datatype, draw(hnp.arrays(DATATYPES[datatype], shape)))


def same(left: Tensor, right: Tensor) -> bool:
    if left.datatype == "BYTES":
        return left.array.shape == right.array.shape and bool((left.array == right.array).all())
    return bool(np.array_equal(left.array, right.array, equal_nan=left.array.dtype.kind == "f"))


def fitting(documents: list[dict[str, Any]]) -> Signature:
    """Give the signature that tensors have."""
    specs = [TensorSpec(one["name"], one["datatype"], tuple(one["shape"])) for one in documents]
    return Signature(tuple(specs), ())


def as_request(body: bytes, head_length: int | None) -> InferenceRequest:
    """Read a response's tensors back as if they were a request's."""
    head = json.loads(body if head_length is None else body[:head_length])
    document = json.dumps({"inputs": head["outputs"]}).encode()
    tail = b"" if head_length is None else body[head_length:]
    length = None if head_length is None else str(len(document))
    return read_request(document + tail, length, fitting(head["outputs"]))


@given(tensors())
def test_binary_tensors_are_read_as_they_were_written(tensor: Tensor) -> None:
    body, head = write_response(
        InferenceResponse("m", "1", [tensor]), InferenceRequest((), binary_outputs=True)
    )
    assert head is not None
    assert same(as_request(body, head).inputs[0], tensor)


@given(tensors(only_json=True))
def test_json_tensors_are_read_as_they_were_written(tensor: Tensor) -> None:
    body, head = write_response(InferenceResponse("m", "1", [tensor]), InferenceRequest(()))
    assert head is None
    assert same(as_request(body, head).inputs[0], tensor)


@given(tensors(only_json=True))
def test_nested_json_is_read_like_flat_json(tensor: Tensor) -> None:
    def readable(value: Any) -> Any:
        if isinstance(value, list):
            return [readable(item) for item in value]
        if isinstance(value, float) and not np.isfinite(value):
            return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
        return value.decode() if isinstance(value, bytes) else value

    shape = list(tensor.array.shape)
    data = readable(tensor.array.tolist())
    document = {"name": "x", "datatype": tensor.datatype, "shape": shape, "data": data}
    read = read_request(json.dumps({"inputs": [document]}), None, fitting([document]))
    assert same(read.inputs[0], tensor)


@given(st.lists(tensors(), min_size=2, max_size=4))
def test_tensors_follow_one_another_in_order(many: list[Tensor]) -> None:
    named = [Tensor(str(index), item.datatype, item.array) for index, item in enumerate(many)]
    body, head = write_response(
        InferenceResponse("m", "1", named), InferenceRequest((), binary_outputs=True)
    )
    read = as_request(body, head).inputs
    assert [tensor.name for tensor in read] == [tensor.name for tensor in named]
    assert all(same(left, right) for left, right in zip(read, named, strict=True))


@given(st.binary(max_size=200), st.none() | st.text(max_size=6) | st.integers(0, 300).map(str))
def test_arbitrary_bytes_raise_nothing_but_our_own_errors(body: bytes, length: str | None) -> None:
    with contextlib.suppress(ServalError):
        read_request(body, length, ONE_INPUT)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda children: (
        st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=4), children, max_size=3)
    ),
    max_leaves=8,
)
almost_tensors = st.fixed_dictionaries(
    {},
    optional={
        "name": st.just("x") | json_values,
        "datatype": st.sampled_from(sorted(DATATYPES)) | json_values,
        "shape": st.lists(st.integers(-2, 2**70), max_size=3) | json_values,
        "data": json_values,
        "parameters": json_values
        | st.fixed_dictionaries({"binary_data_size": st.integers(-2, 50) | json_values}),
    },
)
almost_requests = st.fixed_dictionaries(
    {},
    optional={
        "id": json_values,
        "parameters": json_values,
        "inputs": st.lists(almost_tensors, max_size=3) | json_values,
        "outputs": st.lists(almost_tensors, max_size=3) | json_values,
    },
)


@given(almost_requests, st.binary(max_size=50), st.booleans())
def test_almost_requests_raise_nothing_but_our_own_errors(
    document: Any, tail: bytes, is_binary: bool
) -> None:
    head = json.dumps(document).encode()
    with contextlib.suppress(ServalError):
        if is_binary:
            read_request(head + tail, str(len(head)), ONE_INPUT)
        else:
            read_request(head, None, ONE_INPUT)


@given(st.binary(max_size=300), st.sampled_from(["gzip", "deflate", "identity", ""]))
def test_arbitrary_bodies_inflate_or_are_refused(body: bytes, encoding: str) -> None:
    with contextlib.suppress(ServalError):
        inflate(body, encoding)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_compressed_reply_inflates_to_what_it_was(encoding: str) -> None:
    body = bytes(5000)
    compressed, applied = deflate(body, encoding)
    assert applied == encoding
    assert len(compressed) < len(body)
    assert inflate(compressed, encoding) == body


def test_every_binary_datatype_has_its_itemsize_on_the_wire() -> None:
    sizes = {
        name: len(encode_binary(name, np.zeros(3, dtype)))
        for name, dtype in DATATYPES.items()
        if name != "BYTES"
    }
    assert sizes == {name: 3 * DATATYPES[name].itemsize for name in sizes}
