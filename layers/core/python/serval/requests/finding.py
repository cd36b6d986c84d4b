"""Finding requests by the ids that callers know."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from serval.errors import RequestConflict, RequestNotFound
from serval.requests.identifiers import PUT, RANDOM_ID, REQUEST_ID, row_id
from serval.requests.ports import RequestStore
from serval.requests.request import AsyncRequest


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

    Rows of an earlier Serval have the caller's id as their own.

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
    ids = [name, *(row_id(each, name) for each in searched)]
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
