"""Results that endpoints have written.

SageMaker stores a result's bytes without its headers, so the length of the JSON part of a binary
result is found by parsing it.
"""

import json
from typing import Any, Protocol

from serval.requests.end_attempt import Result
from serval.requests.ports import StoredPayload

FIRST_BYTES = 65_536
LARGEST_HEADER = 16 * 2**20
"""A JSON part longer than this is a result of JSON alone, or not Serval's."""
SHOWN_BYTES = 4_096


class ResultObjects(Protocol):
    """The data bucket, as results are read."""

    def find(self, key: str) -> StoredPayload | None:
        """Read an object's size and ETag; None if there is none."""

    def beginning(self, key: str, size_bytes: int) -> bytes:
        """Read at most this many first bytes of an object."""


def find_result(objects: ResultObjects, key: str, *, json_alone: bool = False) -> Result | None:
    """Find a result and its form; None if there is none. ``json_alone``: the form is known."""
    stored = objects.find(key)
    if stored is None:
        return None
    length = None if json_alone else header_length(objects, key, stored.size_bytes)
    return Result(key, stored.size_bytes, length)


def header_length(objects: ResultObjects, key: str, size_bytes: int) -> int | None:
    """Find the length of a result's JSON part; None if it is JSON alone."""
    length = FIRST_BYTES
    while (part := json_part(objects.beginning(key, length))) is None:
        if length >= min(size_bytes, LARGEST_HEADER):
            return None
        length *= 4
    response, end = part
    return end if has_binary_outputs(response) else None


def json_part(text: bytes) -> tuple[Any, int] | None:
    """Parse the JSON value that bytes begin with, and return where it ends; None if it is cut off.

    Latin-1 maps each byte to one character, so positions are those of bytes. Strings may read
    wrongly, and are not kept.
    """
    try:
        return json.JSONDecoder().raw_decode(text.decode("latin-1"))
    except ValueError:
        return None


def has_binary_outputs(response: Any) -> bool:
    """Check whether a response's JSON part announces binary tensors after it."""
    outputs = response.get("outputs") if isinstance(response, dict) else None
    return isinstance(outputs, list) and any(
        isinstance(output, dict) and "binary_data_size" in (output.get("parameters") or {})
        for output in outputs
    )


def failure_text(objects: ResultObjects, key: str | None, reason: str) -> str:
    """Return the container's error, or else SageMaker's reason, which may quote it."""
    stored = b"" if not key or objects.find(key) is None else objects.beginning(key, SHOWN_BYTES)
    for text in (stored.decode(errors="replace"), reason):
        try:
            document, _ = json.JSONDecoder().raw_decode(text[max(0, text.find("{")) :])
            return str(document["error"])
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
    return reason
