"""The reply that carries an inference response: within limits, compressed if a client takes it."""

import base64
from collections.abc import Callable, Mapping

from serval.errors import PayloadTooLarge
from serval.http.dispatch import Reply
from serval.protocol.content import BINARY_LIMIT_BYTES, JSON_LIMIT_BYTES, deflate


def inference_reply(
    body: bytes,
    header_length: int | None,
    own_headers: Mapping[str, str],
    accept_encoding: str,
    remedy: Callable[[bool, bool], str],
) -> Reply:
    """Make a reply.

    ``remedy`` says what a caller can do whose reply is too large, knowing whether it has binary
    tensors and whether it is compressed.

    Raises
    ------
    PayloadTooLarge
        If it does not fit through Lambda.
    """
    headers = {"content-type": "application/json", **own_headers}
    if header_length is not None:
        headers["content-type"] = "application/octet-stream"
        headers["inference-header-content-length"] = str(header_length)
    body, encoding = deflate(body, accept_encoding)
    if encoding is not None:
        headers["content-encoding"] = encoding
    is_binary = encoding is not None or header_length is not None
    limit = BINARY_LIMIT_BYTES if is_binary else JSON_LIMIT_BYTES
    # Lambda escapes quotes when it wraps a text body in JSON once more.
    size = len(body) if is_binary else len(body) + body.count(b'"') + body.count(b"\\")
    if size > limit:
        said = remedy(header_length is not None, encoding is not None)
        raise PayloadTooLarge("reply", size, limit, said)
    return {
        "statusCode": 200,
        "headers": headers,
        "body": base64.b64encode(body).decode("ascii") if is_binary else body.decode(),
        "isBase64Encoded": is_binary,
    }
