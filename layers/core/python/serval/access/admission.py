"""Admission: who calls, may they call this model, and which versions answer."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from serval.access.api_key import ApiKey
from serval.access.authentication import Authenticator
from serval.access.caller import GATEWAY, Caller
from serval.errors import ModelNotFound, ModelOutOfScope
from serval.models.route import Route
from serval.models.storage import MODEL_NAME

ROUTE_SECONDS = 5.0
CACHED_ROUTES = 4096
NO_MODEL = ""
"""Stands for what is no model name; it has no route."""


class RouteReader(Protocol):
    """The reads of the registry that admission needs."""

    def key_and_route(self, key_hash: str, model: str) -> tuple[ApiKey | None, Route | None]:
        """Read an API key and a model's route in one request."""

    def route(self, model: str) -> Route | None:
        """Read a model's route."""


@dataclass(slots=True)
class Admission:
    """Checks keys (cached for 60 s) and finds routes (5 s); one read fetches both when needed."""

    reader: RouteReader
    authenticator: Authenticator | None
    """None: the gateway authenticates."""
    clock: Callable[[], float] = time.monotonic
    _routes: dict[str, tuple[float, Route | None]] = field(default_factory=dict)

    def admit(self, headers: Mapping[str, str], model: str) -> tuple[Caller, Route]:
        """Return the caller and the model's route.

        Raises
        ------
        NotAuthenticated
            If the key is missing, unknown or revoked.
        ModelOutOfScope, ModelNotFound
            As ``find_route`` does.
        """
        caller = self.authenticate(headers, model)
        return caller, self.find_route(caller, model)

    def authenticate(self, headers: Mapping[str, str], model: str = NO_MODEL) -> Caller:
        """Return the caller; reading its key also reads the model's route.

        Raises
        ------
        NotAuthenticated
            If the key is missing, unknown or revoked.
        """
        if self.authenticator is None:
            return GATEWAY
        return self.authenticator.authenticate(
            headers, lambda key_hash: self._read_key_and_route(key_hash, model)
        )

    def find_route(self, caller: Caller, model: str) -> Route:
        """Return the route of a model that the caller may use.

        Raises
        ------
        ModelOutOfScope
            If the caller's key is for other models, whether this one exists or not.
        ModelNotFound
            If the model has no route.
        """
        if not caller.allows(model):
            raise ModelOutOfScope(model)
        now = self.clock()
        cached = self._routes.get(model)
        if cached is None or now - cached[0] >= ROUTE_SECONDS:
            if not MODEL_NAME.fullmatch(model):
                raise ModelNotFound(model)
            cached = self._cache(model, self.reader.route(model), now)
        if cached[1] is None:
            raise ModelNotFound(model)
        return cached[1]

    def _read_key_and_route(self, key_hash: str, model: str) -> ApiKey | None:
        named = model if MODEL_NAME.fullmatch(model) else NO_MODEL
        key, route = self.reader.key_and_route(key_hash, named)
        self._cache(named, route, self.clock())
        return key

    def _cache(self, model: str, route: Route | None, now: float) -> tuple[float, Route | None]:
        if len(self._routes) >= CACHED_ROUTES:
            self._routes.clear()
        cached = self._routes[model] = (now, route)
        return cached
