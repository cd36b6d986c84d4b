"""Bodies of async requests: as they were sent, with everything undone that carried them.

Bodies that are JSON and small.
"""

from dataclasses import dataclass
from typing import Any

from serval.errors import PayloadTooLarge
from serval.http.dispatch import Event, Names
from serval.protocol.content import as_bytes, body_of, inflate
from serval.protocol.framing import framed
from serval.protocol.json_documents import LIMIT_BYTES, read_document
from serval.protocol.limits import RequestLimits


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


REMEDY = (
    "send it as a presigned upload: POST /async/models/{model}/uploads gives a URL for up to 1 GB"
)


@dataclass(frozen=True, slots=True)
class SentBody:
    """A body as it is to be stored: neither base64 nor compressed."""

    content: bytes
    header_length: int | None
    """``Inference-Header-Content-Length``; None: it is JSON alone."""


def sent_body(event: Event, headers: Names, limits: RequestLimits) -> SentBody:
    """Read a body.

    Raises
    ------
    MalformedBody
        If the body is empty or damaged.
    PayloadTooLarge
        If it is over the API's limits, which an upload is not.
    """
    framing = headers.get("inference-header-content-length")
    try:
        body = body_of(event.get("body"), bool(event.get("isBase64Encoded")))
        if encoding := headers.get("content-encoding"):
            body = inflate(body, encoding, limits.inflated(framing))
    except PayloadTooLarge as error:
        raise PayloadTooLarge(error.what, error.size_bytes, error.limit_bytes, REMEDY) from None
    return SentBody(as_bytes(body), None) if framing is None else SentBody(*framed(body, framing))
