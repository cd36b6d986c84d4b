"""Who calls, and which async requests it may see."""

from collections.abc import Mapping
from dataclasses import dataclass

from serval.admission import Admission
from serval.authentication import presented_key
from serval.errors import RequestNotFound
from serval.keys import ApiKey, hash_api_key
from serval.requests.identifiers import REQUEST_ID
from serval.requests.ports import RateLimits, RequestStore
from serval.requests.request import AsyncRequest
from serval.routes import Route


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever was let in: with an API key, or by the gateway."""

    key: ApiKey | None = None
    """None: the gateway let it in, and every model is in its scope."""
    key_hash: str | None = None

    def allows(self, model: str) -> bool:
        """Tell whether a model is in its scope."""
        return self.key is None or self.key.allows(model)


@dataclass(frozen=True, slots=True)
class Callers:
    """Tells callers apart."""

    admission: Admission

    def caller(self, headers: Mapping[str, str]) -> Caller:
        """Give the caller, or raise ``NotAuthenticated``."""
        key = self.admission.caller(headers)
        if key is None:
            return Caller()
        return Caller(key, hash_api_key(presented_key(headers)))

    def admit(self, headers: Mapping[str, str], model: str) -> tuple[Caller, Route]:
        """Give the caller and the model's route, or raise as ``Admission.admit`` does."""
        route = self.admission.admit(headers, model)
        return self.caller(headers), route


@dataclass(frozen=True, slots=True)
class Access(Callers):
    """Lets each caller at the requests of the models in its scope."""

    store: RequestStore

    def request(self, caller: Caller, request_id: str) -> AsyncRequest:
        """Give a request, or raise ``RequestNotFound`` if the caller may see none of that id."""
        found = self.store.find(request_id) if REQUEST_ID.fullmatch(request_id) else None
        if found is None or not caller.allows(found.model):
            raise RequestNotFound(request_id)
        return found


@dataclass(frozen=True, slots=True)
class Allowance:
    """Holds each API key to its rate; the gateway's callers have the gateway's limits alone."""

    limits: RateLimits

    def take(self, caller: Caller) -> None:
        """Count one more request that is submitted, or raise ``RateLimited``."""
        if caller.key is not None and caller.key_hash is not None:
            self.limits.take(caller.key_hash, caller.key.rate_per_minute)
