"""Ids of async requests.

A caller may choose an id, unique among the requests of one model; the row's id is made of both, so
callers of different models never collide. A request submitted without an id has a random one. The
ids of rows carry their model's tag, except those that an earlier Serval made.
"""

import hashlib
import re
import secrets
from datetime import datetime

from serval.clock import timestamp
from serval.errors import InvalidParameter
from serval.models.version import add_tag

REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
RANDOM_ID = re.compile(r"[0-9]{8}T[0-9]{6}-(?:[0-9a-f]{10})?[0-9a-f]{24}")
"""What ``new_request_id`` makes, with a tag or, as an earlier Serval did, without."""
PUT = "put-"
"""Prefix of the ids of rows whose callers chose an id."""
PUT_DIGITS = 40
"""54 characters with the tag; SageMaker allows 64, which leaves room for the attempt."""
EARLIER_LENGTHS = (40, 44)
"""Lengths of row ids without a tag: random ones, and those made of a caller's. No id with a tag is
as long."""


def check_request_id(request_id: str) -> None:
    """Raise ``InvalidParameter`` if a caller may not choose this id."""
    if not REQUEST_ID.fullmatch(request_id):
        raise InvalidParameter(
            "id",
            request_id,
            "1 to 64 letters, digits, '.', '_' or '-', the first a letter or digit,",
        )


def new_request_id(moment: datetime, model: str) -> str:
    """Make an id that sorts by time and cannot be guessed: the second, and 96 random bits."""
    second = timestamp(moment)[:19].replace("-", "").replace(":", "")
    return add_tag(f"{second}-{secrets.token_hex(12)}", model)


def row_id(model: str, chosen: str) -> str:
    """Return the row's id of a request whose caller chose its id."""
    digest = hashlib.sha256(f"{model}\0{chosen}".encode()).hexdigest()
    return add_tag(PUT + digest[:PUT_DIGITS], model)
