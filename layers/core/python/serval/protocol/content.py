"""Bodies: base64, compression and size limits, before anything reads them."""

import base64
import binascii
import zlib

from serval.errors import MalformedBody, PayloadTooLarge

JSON_LIMIT_BYTES = 5_500_000
BINARY_LIMIT_BYTES = 4_400_000
INFLATED_LIMIT_BYTES = 32 * 2**20
"""What a compressed body may inflate to."""
COMPRESS_FROM_BYTES = 1024
REMEDY = "send fewer rows, or send it through the async path"

GZIP_MAGIC = b"\x1f\x8b"
GZIP_WINDOW, ZLIB_WINDOW = 31, 15
MANGLED_GZIP = "\x1f\N{REPLACEMENT CHARACTER}"
"""The gzip magic after a gateway took the body for UTF-8 text."""


def body_of(body: str | None, is_base64: bool) -> str | bytes:
    """Undo the gateway's base64.

    Raises
    ------
    MalformedBody
        If a compressed body arrived as text, or base64 is damaged.
    PayloadTooLarge
        If the body is over 5.5 MB as JSON text or 4.4 MB as bytes.
    """
    if not body:
        raise MalformedBody("the body is empty: a V2 inference request is expected")
    if is_base64:
        if len(body) > BINARY_LIMIT_BYTES * 4 // 3 + 4:
            raise PayloadTooLarge("request body", len(body) * 3 // 4, BINARY_LIMIT_BYTES, REMEDY)
        try:
            return base64.b64decode(body, validate=True)
        except (binascii.Error, ValueError) as error:
            raise MalformedBody(f"the body is not valid base64: {error}") from None
    if body.startswith(MANGLED_GZIP):
        raise MalformedBody(
            "the compressed body was damaged on its way, because its Content-Type says text: "
            "send 'Content-Type: application/octet-stream'"
        )
    size = len(body) if body.isascii() else len(body.encode("utf-8", "surrogatepass"))
    if size > JSON_LIMIT_BYTES:
        raise PayloadTooLarge("request body", size, JSON_LIMIT_BYTES, REMEDY)
    return body


def compressed_window(body: bytes, content_encoding: str) -> int | None:
    """Tell zlib's window for a compressed body; None if it is not compressed.

    A gateway may already have inflated a body that the header still calls compressed, so the magic
    bytes must agree.
    """
    encoding = content_encoding.strip().lower()
    if encoding == "gzip":
        return GZIP_WINDOW if body.startswith(GZIP_MAGIC) else None
    if encoding == "deflate":
        is_zlib = len(body) >= 2 and body[0] & 0x0F == 8 and int.from_bytes(body[:2]) % 31 == 0
        return ZLIB_WINDOW if is_zlib else None
    if encoding in ("", "identity"):
        return None
    raise MalformedBody(f"Content-Encoding {encoding!r:.80}: gzip, deflate or identity expected")


def inflate(body: bytes, content_encoding: str) -> bytes:
    """Undo gzip or deflate (zlib).

    Raises
    ------
    MalformedBody
        If the body is damaged, cut short or followed by something else.
    PayloadTooLarge
        If it inflates to more than 32 MiB; no more than that is ever held.
    """
    window = compressed_window(body, content_encoding)
    if window is None:
        return body
    inflater = zlib.decompressobj(window)
    try:
        inflated = inflater.decompress(body, INFLATED_LIMIT_BYTES + 1)
    except zlib.error as error:
        raise MalformedBody(f"the compressed body is damaged: {error}") from None
    if len(inflated) > INFLATED_LIMIT_BYTES:
        raise PayloadTooLarge("inflated body", len(inflated), INFLATED_LIMIT_BYTES, REMEDY)
    if not inflater.eof:
        raise MalformedBody(f"the compressed body is cut short after {len(body)} bytes")
    if inflater.unused_data:
        raise MalformedBody(f"{len(inflater.unused_data)} bytes follow the compressed body's end")
    return inflated


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
