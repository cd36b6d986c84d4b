"""The body of a call to a task: JSON, or a file as it is.

The JSON is ``{"inputs": …, "parameters": {…}}``, as clients of the Hugging Face hub send it;
members beside these two are parameters, too. A list of inputs is one batch.
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from serval.errors import InvalidInputs, MalformedBody
from serval.foreign import refusing
from serval.short_repr import short_repr
from serval.tasks.parameters import Parameters
from serval.tasks.table.rows import read_rows
from serval.tasks.task import InputKind, Task

MEDIA: frozenset[InputKind] = frozenset({"image", "audio"})
MOST_INPUTS = 1024
JSON_STARTS = (b"{", b"[", b'"')
DATA_URL = "data:"


@dataclass(frozen=True, slots=True)
class Payload:
    """What a call asks of a task."""

    inputs: Sequence[Any]
    is_list: bool
    """Whether a list of inputs was sent, and a list of answers is expected."""
    parameters: Parameters


def read_payload(body: str | bytes, content_type: str, task: Task) -> Payload:
    """Read a body.

    A body that is not JSON is a single input: an image, sound, text, or a table as CSV.

    Raises
    ------
    MalformedBody
        If it is neither JSON nor what the task takes.
    InvalidInputs
        If an input is not of the task's kind; the message has its number.
    InvalidParameter
        If the task has no such parameter.
    """
    sent = body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass")
    media_type = content_type.partition(";")[0].strip().lower()
    if _is_json(sent, media_type, task.takes):
        payload = _read_json(sent, task.takes)
    else:
        payload = _read_file(body, sent, task.takes)
    payload.parameters.expect(task.accepts)
    return payload


def read_document(document: Any, kind: InputKind) -> Payload:
    """Read a parsed body.

    Raises
    ------
    MalformedBody
        If it has no inputs.
    InvalidInputs
        If an input is not of the kind.
    """
    if isinstance(document, str | list):
        document = {"inputs": document}
    if not isinstance(document, dict):
        raise MalformedBody(f"{short_repr(document)} given, {{'inputs': …}} expected")
    inputs, members = _split(document, kind)
    return _of_inputs(inputs, kind, _read_parameters(members))


def _split(document: Mapping[str, Any], kind: InputKind) -> tuple[Any, dict[str, Any]]:
    """Return the inputs, and all members beside them."""
    members = dict(document)
    if "inputs" in members:
        return members.pop("inputs"), members
    if kind == "table" and "table" in members:
        return members.pop("table"), members
    raise MalformedBody("'inputs' is missing: {'inputs': …, 'parameters': {…}} expected")


def _read_parameters(members: dict[str, Any]) -> Parameters:
    given = members.pop("parameters", None) or {}
    if not isinstance(given, Mapping):
        raise MalformedBody(f"'parameters' is {short_repr(given)}, an object expected")
    together = members | dict(given)
    return Parameters({name: value for name, value in together.items() if value is not None})


def _of_inputs(inputs: Any, kind: InputKind, parameters: Parameters) -> Payload:
    if kind == "table":
        return Payload(read_rows(inputs), True, parameters)
    if not isinstance(inputs, list):
        return Payload([_as_input(inputs, kind, "'inputs'")], False, parameters)
    if not 0 < len(inputs) <= MOST_INPUTS:
        raise InvalidInputs(f"{len(inputs)} inputs given, 1 to {MOST_INPUTS} expected")
    read = [_as_input(one, kind, f"input {index}") for index, one in enumerate(inputs)]
    return Payload(read, True, parameters)


def _is_json(sent: bytes, media_type: str, kind: InputKind) -> bool:
    if media_type.startswith(("image/", "audio/", "text/")):
        return False
    starts = sent.lstrip(b" \t\r\n")[:1] in JSON_STARTS
    if kind in MEDIA or kind == "arguments":
        return starts
    return media_type == "application/json" or (starts and _parses(sent))


def _parses(sent: bytes) -> bool:
    try:
        json.loads(sent)
    except (ValueError, RecursionError):
        return False
    return True


def _read_json(sent: bytes, kind: InputKind) -> Payload:
    with refusing(lambda said: MalformedBody(f"the body is not valid JSON: {said}")):
        document = json.loads(sent)
    return read_document(document, kind)


def _read_file(body: str | bytes, sent: bytes, kind: InputKind) -> Payload:
    if kind == "arguments":
        raise MalformedBody("the body is not JSON: {'inputs': {…}} expected")
    if kind in MEDIA:
        if isinstance(body, str):
            raise MalformedBody(
                f"the {kind} was damaged on the way, because the Content-Type says text: send it "
                "with 'Content-Type: application/octet-stream'"
            )
        return Payload([sent], False, Parameters())
    with refusing(lambda said: MalformedBody(f"the text is not UTF-8: {said}")):
        text = sent.decode()
    if kind == "table":
        return Payload(read_rows(text), True, Parameters())
    return Payload([text], False, Parameters())


def _as_input(value: Any, kind: InputKind, where: str) -> Any:
    if kind in MEDIA:
        return _decode_media(value, kind, where)
    if kind == "arguments":
        if not isinstance(value, Mapping):
            raise InvalidInputs(f"{where}: {short_repr(value)} given, an object expected")
        return value
    if isinstance(value, str) or (kind == "text" and isinstance(value, Mapping)):
        return value
    raise InvalidInputs(f"{where}: {short_repr(value)} given, a text expected")


def _decode_media(value: Any, kind: InputKind, where: str) -> bytes:
    if not isinstance(value, str):
        raise InvalidInputs(f"{where}: {short_repr(value)} given, an {kind} in base64 expected")
    text = value.partition(",")[2] if value.startswith(DATA_URL) else value
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInputs(
            f"{where}: {short_repr(value)} is not base64: an {kind} in base64 expected"
        ) from None
