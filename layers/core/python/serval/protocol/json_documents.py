"""Small untrusted JSON documents, parsed whole, within bounds, no member twice."""

import json
from typing import Any

from serval.errors import MalformedBody, PayloadTooLarge
from serval.foreign import refusing
from serval.protocol.content import repeated_member

LIMIT_BYTES = 256 * 2**10
"""The longest such document is the request for a batch job."""


def read_document(text: bytes, what: str) -> Any:
    """Parse a document, called ``what`` in errors.

    Raises
    ------
    MalformedBody, PayloadTooLarge
        If it is not JSON, or too much of it, or an object in it has a member twice.
    """
    if len(text) > LIMIT_BYTES:
        raise PayloadTooLarge(what, len(text), LIMIT_BYTES, "ask for less at once")
    with refusing(lambda said: MalformedBody(f"{what} is not valid JSON: {said}")):
        return json.loads(text, object_pairs_hook=refuse_repeated)


def refuse_repeated(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its members, or raise ``MalformedBody`` if one is there twice."""
    found = dict(members)
    if len(found) != len(members):
        raise repeated_member(name for name, _ in members)
    return found
