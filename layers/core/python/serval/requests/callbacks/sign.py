"""Signatures of callbacks, by the Standard Webhooks scheme, whose libraries verify them.

Specification: https://github.com/standard-webhooks/standard-webhooks
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping

VERSION = "v1"


def message_id(request_id: str, finished: str) -> str:
    """Name one end of one request, the same for each attempt; the scheme forbids dots."""
    return f"msg_{hashlib.sha256(f'{request_id} {finished}'.encode()).hexdigest()[:32]}"


def signature_headers(
    secret: bytes, message: str, timestamp: int, body: bytes
) -> Mapping[str, str]:
    """Sign a callback with the secret of its submitter's API key; return its headers."""
    signed = f"{message}.{timestamp}.".encode() + body
    digest = hmac.digest(secret, signed, "sha256")
    return {
        "webhook-id": message,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"{VERSION},{base64.b64encode(digest).decode()}",
    }
