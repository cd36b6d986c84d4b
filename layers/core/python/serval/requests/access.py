"""Who calls, and which async requests it may see."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from serval.access.admission import Admission
from serval.access.api_key import ALL_MODELS, ApiKey, hash_api_key
from serval.access.authentication import presented_key
from serval.models.route import Route
from serval.requests.identifiers import find_named
from serval.requests.ports import RateLimits, RequestStore
from serval.requests.request import AsyncRequest


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever was let in: with an API key, or by the gateway."""

    key: ApiKey | None = None
    """None: the gateway let it in, and every model is in its scope."""
    key_hash: str | None = None

    @property
    def unscoped(self) -> bool:
        """Tell whether every model is in its scope, those that will be too."""
        return self.key is None or ALL_MODELS in self.key.models

    def allows(self, model: str) -> bool:
        """Tell whether a model is in its scope."""
        return self.key is None or self.key.allows(model)

    def among(self, models: Iterable[str]) -> Sequence[str]:
        """Name the models in its scope: those that its key names, else all of these."""
        if self.key is None or self.unscoped:
            return sorted(models)
        return sorted(self.key.models)


@dataclass(frozen=True, slots=True)
class Callers:
    """Tells callers apart."""

    admission: Admission

    def caller(self, headers: Mapping[str, str]) -> Caller:
        """Give the caller, or raise ``NotAuthenticated``."""
        return _caller(self.admission.caller(headers), headers)

    def admit(self, headers: Mapping[str, str], model: str) -> tuple[Caller, Route]:
        """Give the caller and the model's route, or raise as ``Admission.admit`` does."""
        key, route = self.admission.admit(headers, model)
        return _caller(key, headers), route


def _caller(key: ApiKey | None, headers: Mapping[str, str]) -> Caller:
    return Caller() if key is None else Caller(key, hash_api_key(presented_key(headers)))


@dataclass(frozen=True, slots=True)
class Access(Callers):
    """Lets each caller at the requests of the models in its scope."""

    store: RequestStore
    models: Sequence[str] = ()
    """The models that have async requests."""

    def request(self, caller: Caller, name: str, model: str | None = None) -> AsyncRequest:
        """Give a request, or raise as ``find_named`` does."""
        return find_named(self.store, caller, name, self.models, model)


@dataclass(frozen=True, slots=True)
class Allowance:
    """Holds each API key to its rate; the gateway's callers have the gateway's limits alone."""

    limits: RateLimits

    def take(self, caller: Caller) -> None:
        """Count one more request that is submitted, or raise ``RateLimited``."""
        if caller.key is not None and caller.key_hash is not None:
            self.limits.take(caller.key_hash, caller.key.rate_per_minute)
