"""Replies that carry an answer: compressed if the client accepts that, and held to the limits."""

import base64
import zlib
from collections.abc import Callable, Mapping

from serval.errors import PayloadTooLarge
from serval.http.call import JSON, Reply
from serval.protocol.content import (
    BINARY_LIMIT_BYTES,
    GZIP_WINDOW,
    JSON_LIMIT_BYTES,
    ZLIB_WINDOW,
)

COMPRESS_FROM_BYTES = 1024


def sized_reply(
    body: bytes,
    own_headers: Mapping[str, str],
    accept_encoding: str,
    remedy: Callable[[bool], str],
) -> Reply:
    """Make a reply of any content, compressed if the client accepts that.

    ``remedy`` tells a caller whose reply is too large what to do, given whether it is compressed.

    Raises
    ------
    PayloadTooLarge
        If it does not fit through Lambda.
    """
    headers = dict(own_headers)
    is_media = headers["content-type"].startswith(("audio/", "image/"))
    body, encoding = deflate(body, "" if is_media else accept_encoding)
    if encoding is not None:
        headers["content-encoding"] = encoding
    is_binary = encoding is not None or headers["content-type"] != JSON
    limit = BINARY_LIMIT_BYTES if is_binary else JSON_LIMIT_BYTES
    size = len(body)
    if not is_binary and 2 * size > limit:
        # Lambda escapes quotes when it wraps a text body in JSON once more.
        size += body.count(b'"') + body.count(b"\\")
    if size > limit:
        raise PayloadTooLarge("reply", size, limit, remedy(encoding is not None))
    return {
        "statusCode": 200,
        "headers": headers,
        "body": base64.b64encode(body).decode("ascii") if is_binary else body.decode(),
        "isBase64Encoded": is_binary,
    }


def deflate(body: bytes, accept_encoding: str) -> tuple[bytes, str | None]:
    """Compress a reply if the client takes gzip or deflate and the reply is worth it."""
    if not accept_encoding or len(body) < COMPRESS_FROM_BYTES:
        return body, None
    accepted = {
        name.strip().lower()
        for name, _, weight in (part.partition(";") for part in accept_encoding.split(","))
        if weight.strip().lower() not in ("q=0", "q=0.0")
    }
    for name, window in (("gzip", GZIP_WINDOW), ("deflate", ZLIB_WINDOW)):
        if name in accepted:
            compressor = zlib.compressobj(1, zlib.DEFLATED, window)
            return compressor.compress(body) + compressor.flush(), name
    return body, None
