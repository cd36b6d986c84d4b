"""Bodies of async requests: as they were sent, with everything undone that carried them."""

from serval.errors import MalformedBody, PayloadTooLarge
from serval.http.dispatch import Event, Names
from serval.protocol.content import body_of, inflate
from serval.protocol.request import json_length

REMEDY = (
    "send it as a presigned upload: POST /async/models/{model}/uploads gives a URL for up to 1 GB"
)


def sent_body(event: Event, headers: Names) -> bytes:
    """Give a body as it is to be stored: neither base64 nor compressed.

    Raises
    ------
    MalformedBody
        If the body is empty or damaged.
    PayloadTooLarge
        If it is over the API's limits, which an upload is not.
    """
    try:
        body = body_of(event.get("body"), bool(event.get("isBase64Encoded")))
        sent = body if isinstance(body, bytes) else body.encode()
        return inflate(sent, headers.get("content-encoding", ""))
    except UnicodeEncodeError:
        raise MalformedBody("the body is not valid JSON: it is not UTF-8") from None
    except PayloadTooLarge as error:
        raise PayloadTooLarge(error.what, error.size_bytes, error.limit_bytes, REMEDY) from None


def sent_header_length(headers: Names, size_bytes: int) -> int | None:
    """Read ``Inference-Header-Content-Length``; None if it was not sent."""
    given = headers.get("inference-header-content-length")
    return None if given is None else json_length(given, size_bytes)
