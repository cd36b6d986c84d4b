"""Bodies of requests: raw, compressed, in base64, damaged, too long."""

import gzip
import json
import random
import tracemalloc
import zlib
from typing import Any

import numpy as np
import pytest

from serval.errors import (
    InvalidTensor,
    MalformedBody,
    PayloadTooLarge,
)
from serval.http.call import decode_body
from serval.models.signature import Signature, TensorSpec
from serval.protocol.content import JSON_LIMIT_BYTES, inflate
from serval.protocol.limits import INFLATED_LIMIT_BYTES
from serval.protocol.request import read_request

SIGNATURE = Signature((TensorSpec("x", "FP32", (-1, 2)),), ())


def tensor(**members: Any) -> dict[str, Any]:
    return {"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]} | members


def read(**members: Any) -> Any:
    return read_request(json.dumps({"inputs": [tensor()]} | members), None, SIGNATURE)


def binary(size: int, tail: bytes, **members: Any) -> tuple[bytes, str]:
    item = {"name": "x", "datatype": "FP32", "shape": [1, 2]} | members
    head = json.dumps({"inputs": [item | {"parameters": {"binary_data_size": size}}]}).encode()
    return head + tail, str(len(head))


@pytest.mark.parametrize("raw", [b"\xe9\xff\x80AB\0\0\0", b"12345678"])
def test_binary_tensors_that_came_as_text_are_refused_as_damaged(raw: bytes) -> None:
    with pytest.raises(MalformedBody, match=r"damaged on the way, .*application/octet-stream"):
        read_request(raw.decode("utf-8", "replace"), "0", SIGNATURE)
    body, length = binary(8, raw)
    with pytest.raises(MalformedBody, match=r"damaged on the way, .*application/octet-stream"):
        read_request(body.decode("utf-8", "replace"), length, SIGNATURE)


def test_json_alone_may_come_as_text_with_its_length() -> None:
    body = json.dumps({"inputs": [tensor()]})
    assert read_request(body, str(len(body)), SIGNATURE).inputs[0].array.tolist() == [[1.0, 2.0]]


def test_half_a_character_is_no_utf_8() -> None:
    with pytest.raises(MalformedBody, match="it is not UTF-8"):
        read_request("\ud800", "0", SIGNATURE)


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
        decode_body(mangled, False)


@pytest.mark.parametrize("body", [None, ""])
def test_an_empty_body_says_what_is_expected(body: str | None) -> None:
    with pytest.raises(MalformedBody, match="an inference request is expected"):
        decode_body(body, False)


@pytest.mark.parametrize(("text", "is_base64"), [("x" * 5_500_001, False), ("A" * 6_000_000, True)])
def test_a_body_over_the_limit_is_refused(text: str, is_base64: bool) -> None:
    with pytest.raises(PayloadTooLarge, match="send fewer rows"):
        decode_body(text, is_base64)


def test_damaged_base64_is_refused() -> None:
    with pytest.raises(MalformedBody, match="not valid base64"):
        decode_body("a$b=", True)


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
    assert peak < 1.5 * INFLATED_LIMIT_BYTES


def test_what_may_be_sent_plainly_may_be_compressed_as_well_as_it_can_be() -> None:
    zeros = bytes(JSON_LIMIT_BYTES)
    assert inflate(gzip.compress(zeros), "gzip") == zeros
    with pytest.raises(PayloadTooLarge, match="inflated body"):
        inflate(gzip.compress(zeros + b"0"), "gzip")


def test_a_long_body_may_inflate_to_what_there_is_memory_for() -> None:
    body = gzip.compress(random.Random(0).randbytes(6_000_000), 1)
    assert len(inflate(body, "gzip")) == 6_000_000
    with pytest.raises(PayloadTooLarge, match="at most 5999999 allowed"):
        inflate(body, "gzip", 5_999_999)


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
