"""Encode requests and decode responses: JSON if small, else binary and compressed.

JSON takes three times the bytes of a binary tensor and cannot carry FP16 or BF16. Binary tensors
need numpy, which may be missing: then everything is JSON.

Specification: Open Inference Protocol V2, ``inference_rest.md``, and Triton's
``extension_binary_data.md``.
"""

import gzip
import json
import math
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from serval.client.failures import InvalidInput
from serval.client.inference_request import flatten, has_bytes, is_array, nest

COMPRESS_FROM_BYTES = 100_000
BINARY_FROM_ELEMENTS = 4096
BINARY_ONLY = frozenset({"FP16", "BF16"})
SIZE = "binary_data_size"
HEADER = "inference-header-content-length"
NUMPY = find_spec("numpy") is not None


def encode_request(
    request: Mapping[str, Any], *, compress: bool = True
) -> tuple[bytes, dict[str, str]]:
    """Encode a V2 request; return its body and headers.

    ``data`` of its tensors are lists or numpy arrays. Outputs are requested in binary where numpy
    is installed, unless the request says otherwise.

    Raises
    ------
    InvalidInput
        If an array cannot be the tensor that it is given for.
    """
    inputs, tail = [], []
    for tensor in request["inputs"]:
        raw = binary_of(tensor)
        if raw is not None:
            kept = {name: value for name, value in tensor.items() if name != "data"}
            tensor = kept | {"parameters": {**tensor.get("parameters", {}), SIZE: len(raw)}}
            tail.append(raw)
        elif "data" in tensor:
            tensor = {**tensor, "data": plain_data(tensor["data"])}
        inputs.append(tensor)
    asked = dict(request) | {"inputs": inputs}
    if "outputs" not in request and NUMPY:
        asked["parameters"] = {"binary_data_output": True} | request.get("parameters", {})
    head = json.dumps(asked).encode()
    headers = {"content-type": "application/json"}
    if tail:
        headers[HEADER] = str(len(head))
    body = b"".join((head, *tail))
    if compress and len(body) >= COMPRESS_FROM_BYTES:
        body = gzip.compress(body, 6)
        headers["content-encoding"] = "gzip"
    if tail or "content-encoding" in headers:
        headers["content-type"] = "application/octet-stream"
    return body, headers


def binary_of(tensor: Mapping[str, Any]) -> bytes | None:
    """Return the bytes of a tensor that is sent in binary, or None for one that is sent as JSON."""
    data: Any = tensor.get("data")
    datatype = tensor.get("datatype")
    if not isinstance(tensor.get("parameters", {}), dict):
        return None
    if datatype == "BYTES" and isinstance(data, list) and has_bytes(data):
        return pack_bytes([one.encode() if isinstance(one, str) else one for one in flatten(data)])
    if not NUMPY:
        return None
    if is_array(data):
        # Imported late: numpy takes as long to import as everything else.
        from serval.client.arrays import array_bytes

        return array_bytes(str(tensor["name"]), str(datatype), data)
    if not isinstance(data, list) or not isinstance(tensor.get("shape"), list):
        return None
    elements = flatten(data)
    if datatype not in BINARY_ONLY and len(elements) <= BINARY_FROM_ELEMENTS:
        return None
    from serval.client.arrays import list_bytes

    return list_bytes(str(datatype), tensor["shape"], data, elements)


def pack_bytes(elements: list[bytes]) -> bytes:
    """Write elements of BYTES, each behind its length."""
    return b"".join(len(one).to_bytes(4, "little") + one for one in elements)


def plain_data(data: Any) -> Any:
    """Return a tensor's data as JSON can have it; an array becomes a flat list."""
    return spell(flatten(data) if is_array(data) else data)


def spell(value: Any) -> Any:
    """Spell the numbers that JSON lacks, as Serval's JSON does, and those of numpy as Python's."""
    if isinstance(value, list | tuple):
        return [spell(one) for one in value]
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        return str(value).replace("nan", "NaN").replace("inf", "Infinity")
    return spell(value.tolist()) if is_array(value) else value


def decode_response(body: bytes, header_length: str | None) -> dict[str, Any]:
    """Decode a V2 response; the ``data`` of binary tensors become arrays, BF16 as float32.

    Raises
    ------
    InvalidInput
        If the body is not a V2 response.
    """
    try:
        length = len(body) if header_length is None else int(header_length)
        response: dict[str, Any] = json.loads(body[:length])
        outputs = response.get("outputs", ())
    except (ValueError, AttributeError) as error:
        raise InvalidInput(f"the API's answer is not a V2 response: {error}") from None
    tail = memoryview(body)[length:]
    for output in outputs:
        size = output.get("parameters", {}).get(SIZE)
        if size is None:
            continue
        if not NUMPY:
            raise InvalidInput("the API answered with binary tensors, which take numpy to read")
        from serval.client.arrays import read_array

        output["data"] = read_array(output, tail[:size])
        del output["parameters"]
        tail = tail[size:]
    return response


def output_value(output: Mapping[str, Any], *, as_array: bool) -> Any:
    """Return an output as an array, or as nested lists, whichever way it came."""
    data = output["data"]
    if as_array:
        from serval.client.arrays import to_array

        return data if is_array(data) else to_array(output["datatype"], output["shape"], data)
    if is_array(data):
        if output["datatype"] != "BYTES":
            return data.tolist()
        data = [decode_text(element) for element in data.ravel().tolist()]
    return nest(
        [NON_FINITE.get(one, one) if is_number(output) else one for one in data], output["shape"]
    )


NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def is_number(output: Mapping[str, Any]) -> bool:
    """Return whether an output may have the spellings of numbers that JSON lacks."""
    return str(output["datatype"]).startswith(("FP", "BF"))


def decode_text(element: bytes) -> str | bytes:
    """Read an element of BYTES as text if it is text."""
    try:
        return element.decode()
    except UnicodeDecodeError:
        return element
