"""The body of a call to a task: JSON, or a file as it is.

The JSON is ``{"inputs": …, "parameters": {…}}``, as clients of the Hugging Face hub send it;
members beside these two are parameters, too. A list of inputs is one batch.
"""

import base64
import binascii
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from serval.errors import InvalidInputs, MalformedBody, PayloadTooLarge
from serval.foreign import parser_message, refusing
from serval.protocol.content import DAMAGED, media_type
from serval.protocol.limits import MOST_JSON_BYTES
from serval.short_repr import short_repr
from serval.tasks.parameters import Parameters
from serval.tasks.table.rows import read_rows
from serval.tasks.task import InputKind, Task

MEDIA: frozenset[InputKind] = frozenset({"image", "audio"})
MOST_INPUTS = 1024
FEWER = "send fewer or shorter inputs, or run a batch job over a file of them"
JSON_STARTS = (b"{", b"[", b'"')
DATA_URL = "data:"
STREAM = "stream"
"""Beside the inputs: whether the answer is to come in pieces."""
NOT_JSON = object()
NOUNS: Mapping[InputKind, str] = {"image": "an image", "audio": "sound"}


@dataclass(frozen=True, slots=True)
class Payload:
    """What a call asks of a task."""

    inputs: Sequence[Any]
    is_list: bool
    """Whether a list of inputs was sent, and a list of answers is expected."""
    parameters: Parameters


def read_payload(
    body: str | bytes,
    content_type: str,
    task: Task,
    json_limit: int = MOST_JSON_BYTES,
    *,
    streams: Collection[bool] = (False,),
) -> Payload:
    """Read a body for a task.

    Parameters
    ----------
    streams
        What its ``stream`` may be, if it has one: whether the answer is to come in pieces.

    Raises
    ------
    InvalidParameter
        If the task has no such parameter.
    MalformedBody, InvalidInputs, PayloadTooLarge
        As ``read_inputs``.
    """
    payload = read_inputs(body, content_type, task.takes, json_limit)
    values = payload.parameters.values
    if any(values.get(STREAM) is one for one in streams):
        rest = {name: value for name, value in values.items() if name != STREAM}
        payload = replace(payload, parameters=Parameters(rest))
    payload.parameters.expect(task.accepts)
    return payload


def read_inputs(
    body: str | bytes, content_type: str, kind: InputKind, json_limit: int = MOST_JSON_BYTES
) -> Payload:
    """Read a body, with whatever parameters it has.

    A body that is not JSON is a single input: an image, sound, text, or a table as CSV.

    Raises
    ------
    MalformedBody
        If it is neither JSON nor of the kind.
    InvalidInputs
        If an input is not of the kind; the message has its number.
    PayloadTooLarge
        If what is not a file of an image or sound has more bytes than ``json_limit``.
    """
    sent = body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass")
    declared = media_type(content_type)
    if len(sent) > json_limit and not _is_media(sent, declared, kind):
        raise PayloadTooLarge("request body", len(sent), json_limit, FEWER)
    document = _parse(sent, declared, kind)
    if document is NOT_JSON:
        return _read_file(body, sent, kind)
    return read_document(document, kind)


def read_document(document: Any, kind: InputKind, where: str = "'inputs'") -> Payload:
    """Read a parsed body; ``where`` is what messages call its inputs.

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
    return _of_inputs(inputs, kind, where, _read_parameters(members))


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


def _of_inputs(inputs: Any, kind: InputKind, where: str, parameters: Parameters) -> Payload:
    if kind == "table":
        return _of_rows(inputs, parameters)
    if not isinstance(inputs, list):
        return Payload([_as_input(inputs, kind, where)], False, parameters)
    if not 0 < len(inputs) <= MOST_INPUTS:
        raise InvalidInputs(f"{len(inputs)} inputs given, 1 to {MOST_INPUTS} expected")
    read = [_as_input(one, kind, f"input {index}") for index, one in enumerate(inputs)]
    return Payload(read, True, parameters)


def _of_rows(table: Any, parameters: Parameters) -> Payload:
    rows = read_rows(table)
    if not rows:
        raise InvalidInputs("the table has no rows: at least one expected")
    return Payload(rows, True, parameters)


def _is_media(sent: bytes, declared: str, kind: InputKind) -> bool:
    """Return whether a body is the file of an image or sound, and not JSON that has it."""
    is_file = declared.startswith(("image/", "audio/"))
    return kind in MEDIA and (is_file or sent.lstrip(b" \t\r\n")[:1] not in JSON_STARTS)


def _parse(sent: bytes, declared: str, kind: InputKind) -> Any:
    """Parse a body that is JSON; return ``NOT_JSON`` for a file as it is.

    A text or a table may look like the start of JSON, and only a Content-Type says that it is.
    """
    says_json = declared == "application/json"
    starts = sent.lstrip(b" \t\r\n")[:1] in JSON_STARTS
    files = kind in ("text", "table")
    if declared.startswith(("image/", "audio/", "text/")):
        return NOT_JSON
    if not (starts or (says_json and files)):
        return NOT_JSON
    try:
        return json.loads(sent)
    except (ValueError, RecursionError) as error:
        if files and not says_json:
            return NOT_JSON
        raise MalformedBody(f"the body is not valid JSON: {parser_message(error)}") from error


def _read_file(body: str | bytes, sent: bytes, kind: InputKind) -> Payload:
    if kind == "arguments":
        raise MalformedBody("the body is not JSON: {'inputs': {…}} expected")
    if kind in MEDIA:
        if isinstance(body, str):
            raise MalformedBody(DAMAGED.format(f"{kind} was"))
        return Payload([sent], False, Parameters())
    with refusing(lambda said: MalformedBody(f"the text is not UTF-8: {said}")):
        text = sent.decode()
    if kind == "table":
        return _of_rows(text, Parameters())
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
        raise InvalidInputs(f"{where}: {short_repr(value)} given, {NOUNS[kind]} in base64 expected")
    text = value.partition(",")[2] if value.startswith(DATA_URL) else value
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInputs(
            f"{where}: {short_repr(value)} is not base64: {NOUNS[kind]} in base64 expected"
        ) from None
