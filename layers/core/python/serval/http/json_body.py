"""Bodies that are JSON and small."""

import json
from typing import Any

from serval.errors import MalformedBody, PayloadTooLarge
from serval.http.dispatch import Event, Names
from serval.protocol.content import as_bytes, body_of, inflate, repeated_member

LIMIT_BYTES = 256 * 2**10
"""The longest that we take is what is asked of a batch job."""


def json_body(event: Event, headers: Names) -> Any:
    """Read the JSON in a body; no body is an empty object.

    Raises
    ------
    MalformedBody, PayloadTooLarge
        If it is not JSON, or too much of it, or an object in it has a member twice.
    """
    if not event.get("body"):
        return {}
    body = body_of(event["body"], bool(event.get("isBase64Encoded")))
    if encoding := headers.get("content-encoding"):
        body = inflate(body, encoding, LIMIT_BYTES)
    text = as_bytes(body)
    if len(text) > LIMIT_BYTES:
        raise PayloadTooLarge("request body", len(text), LIMIT_BYTES, "ask for less at once")
    try:
        return json.loads(text or b"{}", object_pairs_hook=distinct)
    except (ValueError, RecursionError) as error:
        raise MalformedBody(f"the body is not valid JSON: {error}") from None


def distinct(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its members, or raise ``MalformedBody`` if one is there twice."""
    found = dict(members)
    if len(found) != len(members):
        raise repeated_member(name for name, _ in members)
    return found
