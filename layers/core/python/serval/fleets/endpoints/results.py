"""Results that endpoints have written: their form is read from themselves.

SageMaker keeps an answer's bytes and not its headers, so the length of the JSON part of a binary
result is found by reading to its end.
"""

import json
from typing import Any, Protocol

from serval.requests.end_attempt import Result
from serval.requests.ports import StoredPayload

FIRST_BYTES = 65_536
LARGEST_HEADER = 16 * 2**20
"""A JSON part without an end in so many bytes is a result of JSON alone, or none of ours."""
SHOWN_BYTES = 4_096


class ResultObjects(Protocol):
    """What is read of the data bucket."""

    def find(self, key: str) -> StoredPayload | None:
        """Look an object up; None if there is none."""

    def beginning(self, key: str, size_bytes: int) -> bytes:
        """Read an object's first bytes, fewer if it has fewer."""


def find_result(objects: ResultObjects, key: str, *, json_alone: bool = False) -> Result | None:
    """Find an answer and its form, which need not be read if it is known; None if there is none."""
    stored = objects.find(key)
    if stored is None:
        return None
    length = None if json_alone else header_length(objects, key, stored.size_bytes)
    return Result(key, stored.size_bytes, length)


def header_length(objects: ResultObjects, key: str, size_bytes: int) -> int | None:
    """Give the length of a result's JSON part; None if it is JSON alone."""
    length = FIRST_BYTES
    while (part := json_part(objects.beginning(key, length))) is None:
        if length >= min(size_bytes, LARGEST_HEADER):
            return None
        length *= 4
    response, end = part
    return end if has_binary_outputs(response) else None


def json_part(text: bytes) -> tuple[Any, int] | None:
    """Read the JSON value that bytes begin with, and where it ends; None if it goes on after them.

    Latin-1 gives each byte a character of its own, so that positions are the bytes'; what is
    between quotes may read wrongly, and is not kept.
    """
    try:
        return json.JSONDecoder().raw_decode(text.decode("latin-1"))
    except ValueError:
        return None


def has_binary_outputs(response: Any) -> bool:
    """Tell whether a response's JSON part announces binary tensors after it."""
    outputs = response.get("outputs") if isinstance(response, dict) else None
    return isinstance(outputs, list) and any(
        isinstance(output, dict) and "binary_data_size" in (output.get("parameters") or {})
        for output in outputs
    )


def failure_text(objects: ResultObjects, key: str | None, reason: str) -> str:
    """Give the error that the container answered with, else SageMaker's words."""
    if not key or objects.find(key) is None:
        return reason
    try:
        document: Any = json.loads(objects.beginning(key, SHOWN_BYTES))
        return str(document["error"])
    except (ValueError, TypeError, KeyError):
        return reason
