"""Bodies that are JSON and small."""

from typing import Any

from serval.http.dispatch import Event, Names
from serval.protocol.content import as_bytes, body_of, inflate
from serval.protocol.json_documents import LIMIT_BYTES, read_document


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
    return read_document(as_bytes(body) or b"{}", "the body")
