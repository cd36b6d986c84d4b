"""Finding requests by the ids that callers know.

Ids of async requests: their rows', and those that callers choose themselves.

A caller's id is one of its model's: the row has an id that is made of both, so that the callers of
one model never meet those of another. A request that is submitted without an id has a random one.
Rows' ids have their model's tag; those that an earlier Serval has made have none.
"""

import hashlib
import re
import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from serval.clock import timestamp
from serval.errors import InvalidParameter, RequestConflict, RequestNotFound
from serval.models.tag import DIGITS, has_tag, tagged, untagged
from serval.requests.ports import RequestStore
from serval.requests.request import AsyncRequest

REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
RANDOM_ID = re.compile(r"[0-9]{8}T[0-9]{6}-(?:[0-9a-f]{10})?[0-9a-f]{24}")
"""What ``new_request_id`` makes, and made without a tag."""
PUT = "put-"
"""Begins the ids of rows whose callers chose an id."""
PUT_DIGITS = 40
"""With the tag, 54 characters: SageMaker takes ids of 64, in which the attempt has a place too."""
EARLIER_LENGTHS = (40, 44)
"""Characters of rows' ids without a tag: random ones, and those made of a caller's. None that has a
tag is as long."""


def checked_id(request_id: str) -> str:
    """Give an id back, or raise ``InvalidParameter`` if it can be none."""
    if not REQUEST_ID.fullmatch(request_id):
        raise InvalidParameter(
            "id",
            request_id,
            "1 to 64 letters, digits, '.', '_' or '-', the first a letter or digit,",
        )
    return request_id


def new_request_id(moment: datetime, model: str) -> str:
    """Make an id that sorts by time and cannot be guessed: its second, and 96 random bits."""
    second = timestamp(moment)[:19].replace("-", "").replace(":", "")
    return tagged(f"{second}-{secrets.token_hex(12)}", model)


def row_id(model: str, chosen: str) -> str:
    """Give the id of the row of a model's request whose id its caller chose."""
    digest = hashlib.sha256(f"{model}\0{chosen}".encode()).hexdigest()
    return tagged(PUT + digest[:PUT_DIGITS], model)


def is_another_s(request_id: str, model: str) -> bool:
    """Tell whether an id has the tag of another model."""
    is_tagged = len(request_id) - DIGITS in EARLIER_LENGTHS
    return is_tagged and not has_tag(request_id, model)


class Scope(Protocol):
    """Who asks, as far as it concerns which requests it may see."""

    def allows(self, model: str) -> bool:
        """Tell whether a model is in its scope."""

    def among(self, models: Iterable[str]) -> Sequence[str]:
        """Name the models whose requests it may see."""


def find_named(
    store: RequestStore, scope: Scope, name: str, models: Iterable[str], model: str | None = None
) -> AsyncRequest:
    """Find the request of a name, of one model or of any in the scope.

    Rows of an earlier Serval have the caller's id as their own, or one without a tag.

    Raises
    ------
    RequestNotFound
        If the caller may see none of that name.
    RequestConflict
        If several models have one, and none was named.
    """
    if not REQUEST_ID.fullmatch(name):
        raise RequestNotFound(name)

    def is_meant(row: AsyncRequest | None) -> bool:
        return (
            row is not None
            and row.name == name
            and scope.allows(row.model)
            and model in (None, row.model)
        )

    if RANDOM_ID.fullmatch(name) and is_meant(found := store.find(name)) and found is not None:
        return found
    searched = scope.among(models) if model is None else [model]
    own = [row_id(each, name) for each in searched]
    ids = [name, *own, *map(untagged, own)]
    rows = [row for row in store.find_all(ids).values() if is_meant(row)]
    if not rows:
        raise RequestNotFound(name)
    if len(rows) > 1:
        having = " and ".join(sorted(repr(row.model) for row in rows))
        raise RequestConflict(
            name, f"models {having} have one each: say which (`?model=`, `--model`)"
        )
    return rows[0]


def with_names(store: RequestStore, listed: Sequence[AsyncRequest]) -> list[AsyncRequest]:
    """Give rows of an index with the ids that their callers chose, which indexes do not hold."""
    rows = store.find_all([row.id for row in listed if row.id.startswith(PUT)])
    return [rows.get(row.id, row) for row in listed]
