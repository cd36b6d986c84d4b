"""Bodies: base64, compression and size limits, before anything reads them."""

import zlib

from serval.errors import MalformedBody, PayloadTooLarge
from serval.protocol.limits import INFLATED_LIMIT_BYTES

JSON_LIMIT_BYTES = 5_500_000
BINARY_LIMIT_BYTES = 4_400_000
MOST_RATIO = 100
"""How far a body may inflate beyond the limit of uncompressed bodies."""
INFLATED_AT_ONCE = 2**20
FEWER = "send fewer rows, or run a batch job over a file of them"
COMPRESS = f"compress it (Content-Encoding: gzip), {FEWER}"
"""What a caller who sent too much can do; on a fleet, an upload takes more."""

GZIP_MAGIC = b"\x1f\x8b"
GZIP_WINDOW, ZLIB_WINDOW = 31, 15
MANGLED_GZIP = "\x1f\N{REPLACEMENT CHARACTER}"
"""The gzip magic after a gateway has decoded the body as UTF-8 text."""
DAMAGED = (
    "the {} damaged on the way, because the Content-Type says text: "
    "send 'Content-Type: application/octet-stream'"
)


def media_type(content_type: str) -> str:
    """Return the type in a ``Content-Type`` header, without its parameters."""
    return content_type.partition(";")[0].strip().lower()


def type_parameters(content_type: str) -> dict[str, str]:
    """Return the parameters of a type in a header, without quotes and in lower case."""
    if ";" not in content_type:
        return {}
    named = (part.partition("=") for part in content_type.lower().split(";")[1:])
    return {name.strip(): value.strip().strip('"') for name, _, value in named}


def to_bytes(body: str | bytes) -> bytes:
    """Encode a body that may have come as text."""
    try:
        return body if isinstance(body, bytes) else body.encode()
    except UnicodeEncodeError:
        raise MalformedBody("the body is not valid JSON: it is not UTF-8") from None


def compressed_window(body: bytes, content_encoding: str) -> int | None:
    """Return zlib's window for a compressed body; None if it is not compressed.

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


def inflate(
    body: str | bytes, content_encoding: str, limit_bytes: int = INFLATED_LIMIT_BYTES
) -> str | bytes:
    """Undo gzip or deflate (zlib); return a body that is not compressed unchanged.

    Raises
    ------
    MalformedBody
        If the body is damaged, cut short or followed by something else.
    PayloadTooLarge
        If it inflates to more than the limit, or more than its length explains; little more than
        that is ever held.
    """
    sent = to_bytes(body)
    window = compressed_window(sent, content_encoding)
    if window is None:
        return body
    limit = min(limit_bytes, max(JSON_LIMIT_BYTES, MOST_RATIO * len(sent)))
    inflater = zlib.decompressobj(window)
    inflated = bytearray()
    waiting = sent
    try:
        while len(inflated) <= limit and not inflater.eof:
            piece = inflater.decompress(waiting, INFLATED_AT_ONCE)
            waiting = inflater.unconsumed_tail
            if not piece and not waiting:
                break
            inflated += piece
    except zlib.error as error:
        raise MalformedBody(f"the compressed body is damaged: {error}") from None
    if len(inflated) > limit:
        raise PayloadTooLarge("inflated body", len(inflated), limit, FEWER)
    if not inflater.eof:
        raise MalformedBody(f"the compressed body is cut short after {len(sent)} bytes")
    if inflater.unused_data:
        raise MalformedBody(f"{len(inflater.unused_data)} bytes follow the compressed body's end")
    return bytes(inflated)
