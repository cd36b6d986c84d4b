"""Golden requests: read and write ``golden.jsonl``, a request with its expected outputs per line.

A tensor may have ``base64`` in place of V2's ``data``, with its bytes as in a binary tensor: for
datatypes that JSON lacks (FP16, BF16), and for values that nobody reads (images). A line with an
``answer`` is in the words of the model's task.
"""

import binascii
import json
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import orjson

from serval.errors import BundleRefused, InvalidRequest, InvalidTensor
from serval.foreign import refusing
from serval.handlers.signature import BODY
from serval.models.tensor import Tensor
from serval.protocol.binary_tensors import decode_binary, encode_binary
from serval.protocol.content import JSON_LIMIT_BYTES
from serval.protocol.json_values import BINARY_ONLY, Fields, decode_json, read_members, spell_number
from serval.protocol.request import parse_head, read_datatype, read_shape
from serval.rollouts.golden.handler_lines import read_handler_line
from serval.rollouts.outcomes import first_reasons

LIMIT_BYTES = 32 * 2**20
LIMIT_LINES = 10_000
LIMIT_READABLE = 4096
"""Elements of a tensor that people may read; longer ones are written as base64."""
SIZE = "binary_data_size"
TASK_EXPECTATION = '{"request": {"inputs": …, "parameters": {…}}, "answer": <as the task answers>}'
EXPECTATION = '{"request": <V2 inference request>, "response": {"outputs": [<V2 tensor>, …]}}'


@dataclass(frozen=True, slots=True)
class GoldenRequest:
    """One line of the file."""

    line: int
    """Its number, from 1."""
    body: bytes
    """The request as a client would send it."""
    header_length: str | None
    """Its ``Inference-Header-Content-Length``, if it has binary tensors."""
    expected: tuple[Tensor, ...]
    for_task: bool = False
    """Whether it is in the words of the model's task, and ``answer`` is expected."""
    answer: Any = None


def read_golden(path: str, text: bytes) -> tuple[GoldenRequest, ...]:
    """Read the whole file; ``path`` is its name in messages.

    Raises
    ------
    BundleRefused
        With the number and the mistake of the first ten wrong lines.
    """
    if len(text) > LIMIT_BYTES:
        raise BundleRefused([f"{path}: {len(text)} bytes, at most {LIMIT_BYTES} allowed"])
    # Only a line feed ends a line.
    lines = [(n, line) for n, line in enumerate(text.split(b"\n"), start=1) if line.strip()]
    if not lines:
        raise BundleRefused([f"{path} has no requests: one JSON object per line, {EXPECTATION}"])
    if len(lines) > LIMIT_LINES:
        raise BundleRefused([f"{path}: {len(lines)} lines, at most {LIMIT_LINES} allowed"])
    found, reasons = [], []
    for number, line in lines:
        try:
            found.append(read_line(number, line))
        except InvalidRequest as error:
            reasons.append(f"{path} line {number}: {error}")
    if reasons:
        raise BundleRefused(first_reasons(reasons))
    return tuple(found)


def read_line(number: int, line: bytes) -> GoldenRequest:
    """Read one line, or raise ``InvalidRequest``."""
    document = parse_object(line)
    if BODY in document:
        posted, answer = read_handler_line(document)
        return GoldenRequest(number, posted, None, (answer,))
    if "answer" in document:
        return read_task_line(number, document)
    for name in ("request", "response"):
        if not isinstance(document.get(name), dict):
            raise InvalidRequest(f"{name!r} is missing or not an object: {EXPECTATION} expected")
    sent = take_base64(document["request"].get("inputs"))
    request = dump_json(document["request"])
    if len(request) > JSON_LIMIT_BYTES:
        raise InvalidRequest(
            f"the request is {len(request)} bytes of JSON, at most {JSON_LIMIT_BYTES} allowed: "
            "give large tensors 'base64' in place of 'data'"
        )
    read_members(parse_head(request), "inputs")
    expected = read_expected(document["response"])
    names = [tensor.name for tensor in expected]
    if repeated := [name for name in names if names.count(name) > 1]:
        raise InvalidRequest(f"output {repeated[0]!r:.80} is given twice")
    header_length = str(len(request)) if sent else None
    return GoldenRequest(number, request + b"".join(sent.values()), header_length, expected)


def read_task_line(number: int, document: dict[str, Any]) -> GoldenRequest:
    """Read a line in the words of a task, or raise ``InvalidRequest``."""
    if "response" in document or "request" not in document:
        raise InvalidRequest(f"one 'request' and one 'answer' expected: {TASK_EXPECTATION}")
    request = document["request"]
    body = dump_json(request if isinstance(request, dict) else {"inputs": request})
    return GoldenRequest(number, body, None, (), for_task=True, answer=document["answer"])


def take_base64(tensors: Any) -> dict[int, bytes]:
    """Replace ``base64`` by the size of a binary tensor, and return the bytes by index."""
    found = {}
    for index, tensor in enumerate(tensors if isinstance(tensors, list) else ()):
        if not isinstance(tensor, dict) or "base64" not in tensor:
            continue
        try:
            raw = b64decode(tensor.pop("base64"), validate=True)
        except (binascii.Error, TypeError, ValueError) as error:
            raise InvalidTensor(str(tensor.get("name")), f"'base64' is invalid: {error}") from None
        given = tensor.get("parameters")
        tensor["parameters"] = {**(given if isinstance(given, dict) else {}), SIZE: len(raw)}
        found[index] = raw
    return found


def parse_object(line: bytes) -> dict[str, Any]:
    """Parse a line, which must be a JSON object."""
    with refusing(lambda said: InvalidRequest(f"not JSON: {said}")):
        try:
            document = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise InvalidRequest(f"not JSON: {error.msg} (column {error.colno})") from None
    if not isinstance(document, dict):
        raise InvalidRequest(f"not a JSON object: {EXPECTATION} expected")
    return document


def dump_json(value: dict[str, Any]) -> bytes:
    """Serialise an object as a client would."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError as error:  # orjson reads deeper nesting than it writes
        raise InvalidRequest(f"nested too deeply: {error}") from None


def read_expected(response: dict[str, Any]) -> tuple[Tensor, ...]:
    """Read the expected outputs."""
    packed = take_base64(response.get("outputs"))
    outputs = read_members(parse_head(dump_json(response)), "outputs")
    if not outputs:
        raise InvalidRequest("'outputs' of the response is empty: nothing would be compared")
    return tuple(read_output(output, packed.get(index)) for index, output in enumerate(outputs))


def read_output(output: Fields, raw: bytes | None) -> Tensor:
    """Read an expected output, from its bytes if it has ``base64``.

    FP16 and BF16, which the protocol's JSON lacks, may be numbers; their arrays are float32.
    """
    name = output["name"]
    datatype, shape = read_datatype(name, output), read_shape(name, output)
    if (raw is None) == ("data" not in output):
        raise InvalidTensor(name, "one of 'data' and 'base64' expected")
    if raw is not None:
        return Tensor(name, datatype, decode_binary(name, datatype, shape, memoryview(raw)))
    carried = "FP32" if datatype in BINARY_ONLY else datatype
    return Tensor(name, datatype, decode_json(name, carried, shape, output["data"]))


def write_line(inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> str:
    """Write a request and its expected answer as one line, its end included."""
    golden = {
        "request": {"inputs": [tensor_json(tensor) for tensor in inputs]},
        "response": {"outputs": [tensor_json(tensor) for tensor in outputs]},
    }
    return json.dumps(golden, allow_nan=False, ensure_ascii=False) + "\n"


def tensor_json(tensor: Tensor) -> Mapping[str, Any]:
    """Write a tensor as V2 JSON, or with ``base64`` in place of ``data``."""
    found: dict[str, Any] = {
        "name": tensor.name,
        "datatype": tensor.datatype,
        "shape": list(tensor.array.shape),
    }
    if tensor.array.size <= LIMIT_READABLE and tensor.datatype not in BINARY_ONLY:
        try:
            return found | {"data": list_elements(tensor)}
        except UnicodeDecodeError:  # BYTES that are not text
            pass
    return found | {"base64": b64encode(encode_binary(tensor.datatype, tensor.array)).decode()}


def list_elements(tensor: Tensor) -> Sequence[Any]:
    """List elements in row order, floats in their shortest digits."""
    flat = tensor.array.ravel()
    if tensor.datatype == "BYTES":
        return [element.decode() for element in flat.tolist()]
    if not tensor.datatype.startswith("FP"):
        return list(flat.tolist())
    return [float(str(value)) if isfinite(value) else spell_number(float(value)) for value in flat]
