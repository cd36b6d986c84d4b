"""Signed as Standard Webhooks says, so that its libraries verify our callbacks as they are.

Specification: https://github.com/standard-webhooks/standard-webhooks
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping

VERSION = "v1"


def message_id(request_id: str, finished: str) -> str:
    """Name one end of one request, the same at each attempt; it has no dot, as the scheme wants."""
    return f"msg_{hashlib.sha256(f'{request_id} {finished}'.encode()).hexdigest()[:32]}"


def signature_headers(
    secret: bytes, message: str, timestamp: int, body: bytes
) -> Mapping[str, str]:
    """Give the headers of a callback, signed with the secret of its submitter's API key."""
    signed = f"{message}.{timestamp}.".encode() + body
    digest = hmac.digest(secret, signed, "sha256")
    return {
        "webhook-id": message,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"{VERSION},{base64.b64encode(digest).decode()}",
    }
