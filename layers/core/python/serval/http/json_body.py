"""Bodies that are JSON and small."""

import json
from typing import Any

from serval.errors import MalformedBody
from serval.http.dispatch import Event, Names
from serval.protocol.content import body_of, inflate


def json_body(event: Event, headers: Names) -> Any:
    """Read the JSON in a body; no body is an empty object.

    Raises
    ------
    MalformedBody, PayloadTooLarge
        If it is not JSON, or too much of it.
    """
    if not event.get("body"):
        return {}
    body = body_of(event["body"], bool(event.get("isBase64Encoded")))
    if encoding := headers.get("content-encoding"):
        body = inflate(body if isinstance(body, bytes) else body.encode(), encoding)
    try:
        return json.loads(body or "{}")
    except (ValueError, RecursionError) as error:
        raise MalformedBody(f"the body is not valid JSON: {error}") from None
