"""Which async requests a caller may see: those of the models in its scope."""

from collections.abc import Sequence
from dataclasses import dataclass

from serval.access.api_key import Caller
from serval.requests.ids import find_named
from serval.requests.ports import RequestStore
from serval.requests.request import AsyncRequest


@dataclass(frozen=True, slots=True)
class RequestAccess:
    """Finds requests for callers."""

    store: RequestStore
    models: Sequence[str] = ()
    """The models that have async requests."""

    def find(self, caller: Caller, name: str, model: str | None = None) -> AsyncRequest:
        """Return a request, or raise as ``find_named`` does."""
        return find_named(self.store, caller, name, self.models, model)
