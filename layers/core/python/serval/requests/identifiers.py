"""Ids of async requests: their rows', and those that callers choose themselves.

A caller's id is one of its model's: the row has an id that is made of both, so that the callers of
one model never meet those of another. A request that is submitted without an id has a random one.
"""

import hashlib
import re
import secrets
from datetime import datetime

from serval.clock import timestamp
from serval.errors import InvalidParameter

REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
RANDOM_ID = re.compile(r"[0-9]{8}T[0-9]{6}-[0-9a-f]{24}")
"""What ``new_request_id`` makes."""
PUT = "put-"
"""Begins the ids of rows whose callers chose an id."""
PUT_DIGITS = 40
"""SageMaker takes ids of 64 characters, in which the attempt has a place too."""


def checked_id(request_id: str) -> str:
    """Give an id back, or raise ``InvalidParameter`` if it can be none."""
    if not REQUEST_ID.fullmatch(request_id):
        raise InvalidParameter(
            "id",
            request_id,
            "1 to 64 letters, digits, '.', '_' or '-', the first a letter or digit,",
        )
    return request_id


def new_request_id(moment: datetime) -> str:
    """Make an id that sorts by time and cannot be guessed: its second, and 96 random bits."""
    return f"{timestamp(moment)[:19].replace('-', '').replace(':', '')}-{secrets.token_hex(12)}"


def row_id(model: str, chosen: str) -> str:
    """Give the id of the row of a model's request whose id its caller chose."""
    return PUT + hashlib.sha256(f"{model}\0{chosen}".encode()).hexdigest()[:PUT_DIGITS]
