"""Which async requests a caller may see: those of the models in its scope."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from serval.access.api_key import Caller
from serval.errors import RequestConflict, RequestNotFound
from serval.models.version import remove_tag
from serval.requests.ids import RANDOM_ID, REQUEST_ID, row_id
from serval.requests.ports import RequestStore
from serval.requests.request import AsyncRequest


@dataclass(frozen=True, slots=True)
class RequestAccess:
    """Finds requests for callers, by the ids that they know."""

    store: RequestStore
    models: Callable[[], Iterable[str]]
    """Lists the models of the stage."""

    def find(self, caller: Caller, name: str, model: str | None = None) -> AsyncRequest:
        """Return the caller's request of a name, of one model or of any in its scope.

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

        def is_visible(row: AsyncRequest) -> bool:
            return row.name == name and caller.allows(row.model) and model in (None, row.model)

        if RANDOM_ID.fullmatch(name) and (row := self.store.find(name)) and is_visible(row):
            return row
        searched = caller.among(self.models()) if model is None else [model]
        own = [row_id(each, name) for each in searched]
        found = self.store.find_all([name, *own, *map(remove_tag, own)]).values()
        rows = [row for row in found if is_visible(row)]
        if not rows:
            raise RequestNotFound(name)
        if len(rows) > 1:
            having = " and ".join(sorted(repr(row.model) for row in rows))
            raise RequestConflict(
                name, f"models {having} have one each: say which (`?model=`, `--model`)"
            )
        return rows[0]
