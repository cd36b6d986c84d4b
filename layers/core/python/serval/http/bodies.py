"""Bodies of calls: inference requests to be stored as they were sent, and small JSON documents."""

from dataclasses import dataclass
from typing import Any

from serval.errors import PayloadTooLarge
from serval.foreign import DOCUMENT_LIMIT_BYTES, read_document
from serval.http.call import HttpCall
from serval.protocol.content import to_bytes
from serval.protocol.framing import split_body
from serval.protocol.limits import RequestLimits

REMEDY = (
    "send it as a presigned upload: POST /async/models/{model}/uploads gives a URL for up to 1 GB"
)
DOCUMENT_LIMITS = RequestLimits(DOCUMENT_LIMIT_BYTES, DOCUMENT_LIMIT_BYTES)


@dataclass(frozen=True, slots=True)
class SentBody:
    """A body to be stored: neither base64 nor compressed."""

    content: bytes
    header_length: int | None
    """``Inference-Header-Content-Length``; None: JSON alone."""


def read_sent_body(call: HttpCall, limits: RequestLimits) -> SentBody:
    """Read the body of an async request.

    Raises
    ------
    MalformedBody
        If the body is empty or damaged.
    PayloadTooLarge
        If it is over the API's limits, which an upload is not.
    """
    length = call.header_length
    try:
        body = call.read_body(limits)
    except PayloadTooLarge as error:
        raise PayloadTooLarge(error.what, error.size_bytes, error.limit_bytes, REMEDY) from None
    return SentBody(to_bytes(body), None) if length is None else SentBody(*split_body(body, length))


def read_json_body(call: HttpCall) -> Any:
    """Read a JSON document; no body is an empty object.

    Raises
    ------
    MalformedBody, PayloadTooLarge
        If it is not JSON, or too much of it, or an object in it has a member twice.
    """
    if not call.event.get("body"):
        return {}
    return read_document(to_bytes(call.read_body(DOCUMENT_LIMITS)) or b"{}", "the body")
