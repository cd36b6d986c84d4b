"""Read ``golden.jsonl``: inference requests, each with the outputs that are expected of it.

A tensor may have ``base64`` in place of V2's ``data``: its bytes as a binary tensor has them, for
what JSON does not carry (FP16, BF16) and for what nobody reads (images).
"""

import binascii
from base64 import b64decode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from serval.errors import BundleRefused, InvalidRequest, InvalidTensor
from serval.foreign import refusing
from serval.models.tensor import Tensor
from serval.protocol.binary_tensors import decode_binary
from serval.protocol.content import JSON_LIMIT_BYTES
from serval.protocol.json_objects import Fields
from serval.protocol.json_tensors import BINARY_ONLY, decode_json
from serval.protocol.request import members, parsed, read_datatype, read_shape

LIMIT_BYTES = 32 * 2**20
SIZE = "binary_data_size"
LIMIT_LINES = 10_000
LIMIT_REASONS = 10
LIMIT_REASON_CHARACTERS = 600
EXPECTATION = '{"request": <V2 inference request>, "response": {"outputs": [<V2 tensor>, …]}}'


@dataclass(frozen=True, slots=True)
class GoldenRequest:
    """One line of the file."""

    line: int
    """From 1, as editors count."""
    body: bytes
    """The request as a client would send it."""
    header_length: str | None
    """Of its ``Inference-Header-Content-Length``, if it has binary tensors."""
    expected: tuple[Tensor, ...]


def read_golden(path: str, text: bytes) -> tuple[GoldenRequest, ...]:
    """Read the whole file; ``path`` is its name in the bundle, for messages.

    Raises
    ------
    BundleRefused
        With every line that is wrong (of which ten are kept), by its number, and what is wrong.
    """
    if len(text) > LIMIT_BYTES:
        raise BundleRefused([f"{path}: {len(text)} bytes, at most {LIMIT_BYTES} allowed"])
    lines = [(number, line) for number, line in numbered(text) if line.strip()]
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


def numbered(text: bytes) -> Iterator[tuple[int, bytes]]:
    """Give the lines with their numbers; only a line feed ends one."""
    return enumerate(text.split(b"\n"), start=1)


def read_line(number: int, line: bytes) -> GoldenRequest:
    """Read one line, or raise ``InvalidRequest`` saying what is wrong with it."""
    document = json_object(line)
    for name in ("request", "response"):
        if not isinstance(document.get(name), dict):
            raise InvalidRequest(f"{name!r} is missing or not an object: {EXPECTATION} expected")
    sent = unpacked(document["request"].get("inputs"))
    request = json_bytes(document["request"])
    if len(request) > JSON_LIMIT_BYTES:
        raise InvalidRequest(
            f"the request is {len(request)} bytes of JSON, at most {JSON_LIMIT_BYTES} allowed: "
            "give large tensors 'base64' in place of 'data'"
        )
    members(parsed(request), "inputs")
    expected = read_expected(document["response"])
    names = [tensor.name for tensor in expected]
    if repeated := [name for name in names if names.count(name) > 1]:
        raise InvalidRequest(f"output {repeated[0]!r:.80} is given twice")
    header_length = str(len(request)) if sent else None
    return GoldenRequest(number, request + b"".join(sent.values()), header_length, expected)


def unpacked(tensors: Any) -> dict[int, bytes]:
    """Take the ``base64`` out of tensors, by their index: binary tensors follow the JSON."""
    found = {}
    for index, tensor in enumerate(tensors if isinstance(tensors, list) else ()):
        if not isinstance(tensor, dict) or "base64" not in tensor:
            continue
        try:
            raw = b64decode(tensor.pop("base64"), validate=True)
        except (binascii.Error, TypeError, ValueError) as error:
            raise InvalidTensor(str(tensor.get("name")), f"'base64' is none: {error}") from None
        given = tensor.get("parameters")
        tensor["parameters"] = {**(given if isinstance(given, dict) else {}), SIZE: len(raw)}
        found[index] = raw
    return found


def json_object(line: bytes) -> dict[str, Any]:
    """Parse a line."""
    with refusing(lambda said: InvalidRequest(f"not JSON: {said}")):
        try:
            document = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise InvalidRequest(f"not JSON: {error.msg} (column {error.colno})") from None
    if not isinstance(document, dict):
        raise InvalidRequest(f"not a JSON object: {EXPECTATION} expected")
    return document


def json_bytes(value: dict[str, Any]) -> bytes:
    """Write an object as a client would send it."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError as error:  # it reads deeper than it writes
        raise InvalidRequest(f"nested too deeply: {error}") from None


def read_expected(response: dict[str, Any]) -> tuple[Tensor, ...]:
    """Read the expected outputs."""
    packed = unpacked(response.get("outputs"))
    outputs = members(parsed(json_bytes(response)), "outputs")
    if not outputs:
        raise InvalidRequest("'outputs' of the response is empty: nothing would be compared")
    return tuple(read_output(output, packed.get(index)) for index, output in enumerate(outputs))


def read_output(output: Fields, raw: bytes | None) -> Tensor:
    """Read an expected output, its bytes if it came as such.

    FP16 and BF16, which the protocol's JSON lacks, may be plain numbers; their arrays are float32.
    """
    name = output["name"]
    datatype, shape = read_datatype(name, output), read_shape(name, output)
    if (raw is None) == ("data" not in output):
        raise InvalidTensor(name, "one of 'data' and 'base64' expected")
    if raw is not None:
        return Tensor(name, datatype, decode_binary(name, datatype, shape, memoryview(raw)))
    carried = "FP32" if datatype in BINARY_ONLY else datatype
    return Tensor(name, datatype, decode_json(name, carried, shape, output["data"]))


def first_reasons(reasons: Sequence[str]) -> list[str]:
    """Keep the first ten, each of a length to read, and say how many more there are."""
    kept = [shortened(reason) for reason in reasons[:LIMIT_REASONS]]
    more = len(reasons) - LIMIT_REASONS
    return kept if more <= 0 else [*kept, f"and {more} more like these"]


def shortened(reason: str) -> str:
    """Give a reason on one line, cut where nobody reads on."""
    line = " ".join(reason.split())
    if len(line) <= LIMIT_REASON_CHARACTERS:
        return line
    return line[: LIMIT_REASON_CHARACTERS - 1] + "…"
