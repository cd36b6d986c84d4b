"""Encode requests and decode responses: JSON if small, else binary and compressed.

JSON takes three times the bytes of a binary tensor and cannot carry FP16 or BF16.
"""

import gzip
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import simdjson

from serval.models.tensor import DATATYPES, Array, Tensor
from serval.protocol.binary_tensors import decode_binary, encode_binary
from serval.protocol.json_values import BINARY_ONLY, decode_json
from serval.rollouts.golden.requests import LIMIT_READABLE, list_elements
from serval_cli.failures import CommandFailed

COMPRESS_FROM_BYTES = 100_000
SIZE = "binary_data_size"
BFLOAT16_NAN = 0x7FC0


def encode_request(request: Mapping[str, Any]) -> tuple[bytes, dict[str, str]]:
    """Encode a V2 request; return its body and headers.

    Outputs are requested in binary unless the request says otherwise.

    Raises
    ------
    InvalidTensor
        If a binary tensor's data does not fit its shape or datatype.
    """
    inputs, tail = [], []
    for tensor in request["inputs"]:
        if is_large(tensor):
            raw = bytes(encode_binary(tensor["datatype"], array_of(tensor)))
            kept = {name: value for name, value in tensor.items() if name != "data"}
            tensor = kept | {"parameters": {**tensor.get("parameters", {}), SIZE: len(raw)}}
            tail.append(raw)
        inputs.append(tensor)
    asked = dict(request) | {"inputs": inputs}
    if "outputs" not in request:
        asked["parameters"] = {"binary_data_output": True} | request.get("parameters", {})
    head = json.dumps(asked).encode()
    headers = {"content-type": "application/json"}
    if tail:
        headers["inference-header-content-length"] = str(len(head))
    body = b"".join((head, *tail))
    if len(body) >= COMPRESS_FROM_BYTES:
        body = gzip.compress(body, 6)
        headers["content-encoding"] = "gzip"
    if tail or "content-encoding" in headers:
        headers["content-type"] = "application/octet-stream"
    return body, headers


def is_large(tensor: Mapping[str, Any]) -> bool:
    """Return whether an input tensor is sent in binary."""
    datatype, data = tensor.get("datatype"), tensor.get("data")
    return (
        datatype in DATATYPES
        and isinstance(data, list)
        and isinstance(tensor.get("shape"), list)
        and isinstance(tensor.get("parameters", {}), dict)
        and (datatype in BINARY_ONLY or count(data) > LIMIT_READABLE)
    )


def count(data: Any) -> int:
    """Count the elements of nested lists."""
    return sum(map(count, data)) if isinstance(data, list) else 1


def array_of(tensor: Mapping[str, Any]) -> Array:
    """Convert a tensor's data as the API would, rounding FP16 and BF16 from FP32."""
    datatype, shape = tensor["datatype"], tensor["shape"]
    carried = "FP32" if datatype in BINARY_ONLY else datatype
    data = simdjson.Parser().parse(json.dumps(tensor["data"]).encode())
    array = decode_json(tensor["name"], carried, shape, data)
    if datatype == "BF16":
        return round_to_bfloat16(array)
    return array.astype(DATATYPES[datatype]) if datatype == "FP16" else array


def round_to_bfloat16(array: Array) -> Array:
    """Round FP32 to the nearest bfloat16, ties to even; the result holds the raw 16-bit words."""
    words: Array = array.view(np.uint32)
    rounded: Array = ((words + (0x7FFF + ((words >> 16) & 1))) >> 16).astype(np.uint16)
    rounded[np.isnan(array)] = BFLOAT16_NAN
    return rounded


def decode_response(body: bytes, header_length: str | None) -> dict[str, Any]:
    """Decode a V2 response into the form that plain JSON would have had.

    Raises
    ------
    CommandFailed
        If the body is not a V2 response.
    """
    length = len(body) if header_length is None else int(header_length)
    try:
        response: dict[str, Any] = json.loads(body[:length])
    except ValueError as error:
        raise CommandFailed(f"the API's answer is not a V2 response: {error}") from None
    tail = memoryview(body)[length:]
    for output in response.get("outputs", ()):
        size = output.get("parameters", {}).get(SIZE)
        if size is None:
            continue
        name, datatype, shape = output["name"], output["datatype"], output["shape"]
        array = decode_binary(name, datatype, shape, tail[:size])
        del output["parameters"]
        output["data"] = readable_elements(Tensor(name, datatype, array))
        tail = tail[size:]
    return response


def readable_elements(tensor: Tensor) -> Sequence[Any] | None:
    """List a tensor's elements, or return None for bytes that are not text."""
    if tensor.datatype == "BF16":
        words: Array = tensor.array.astype(np.uint32) << 16
        tensor = Tensor(tensor.name, "FP32", words.view(np.float32))
    try:
        return list_elements(tensor)
    except UnicodeDecodeError:
        return None
