"""Framing: where the JSON part of a body ends and its binary tensors begin."""

from serval.errors import MalformedBody
from serval.protocol.content import DAMAGED, to_bytes


def split_body(body: str | bytes, header_length: str) -> tuple[bytes, int]:
    """Return the bytes of a body with binary tensors, and the length of its JSON part.

    Raises
    ------
    MalformedBody
        If the length is none, or the binary part came as text: who takes bytes for text replaces
        those that are none.
    """
    sent = to_bytes(body)
    length = json_length(header_length, len(sent))
    if isinstance(body, str) and not 0 < length == len(sent):
        raise MalformedBody(DAMAGED.format("binary tensors were"))
    return sent, length


def json_length(header: str, body_bytes: int) -> int:
    """Read ``Inference-Header-Content-Length``."""
    if not (header.isascii() and header.isdigit() and len(header) < 20):
        raise MalformedBody(
            f"Inference-Header-Content-Length is {header!r:.80}, a whole number of bytes expected"
        )
    if int(header) > body_bytes:
        raise MalformedBody(
            f"Inference-Header-Content-Length is {int(header)}, but the body has {body_bytes} bytes"
        )
    return int(header)
