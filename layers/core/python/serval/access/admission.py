"""Admission: who calls, may they call this model, and which versions answer."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from serval.access.api_key import ApiKey
from serval.access.authentication import Authenticator
from serval.errors import ModelNotFound, ModelOutOfScope
from serval.models.route import Route
from serval.models.storage import MODEL_NAME

ROUTE_SECONDS = 5.0
CACHED_ROUTES = 4096
NO_MODEL = ""
"""Stands for what is no model name: callers are told apart first, and it is never looked for."""


class RouteReader(Protocol):
    """The registry's reads that admission needs."""

    def key_and_route(self, key_hash: str, model: str) -> tuple[ApiKey | None, Route | None]:
        """Read an API key and a model's route in one request."""

    def route(self, model: str) -> Route | None:
        """Read a model's route."""


@dataclass(slots=True)
class Admission:
    """Checks keys (60 s) and finds routes (5 s), both cached, in one read when both are new."""

    reader: RouteReader
    authenticator: Authenticator | None
    """None: the gateway authenticates."""
    clock: Callable[[], float] = time.monotonic
    _routes: dict[str, tuple[float, Route | None]] = field(default_factory=dict)

    def caller(self, headers: Mapping[str, str]) -> ApiKey | None:
        """Give the caller's key, whichever models it is for; None: the gateway let it in.

        Raises
        ------
        NotAuthenticated
            If the key is missing, unknown or revoked.
        """
        if self.authenticator is None:
            return None
        return self.authenticator.authenticate(
            headers, lambda key_hash: self._key_with_route(key_hash, NO_MODEL)
        )

    def admit(self, headers: Mapping[str, str], model: str) -> tuple[ApiKey | None, Route]:
        """Return the caller's key and the model's route; no key where the gateway let it in.

        Raises
        ------
        NotAuthenticated
            If the key is missing, unknown or revoked.
        ModelOutOfScope
            If the key is for other models; said before the model is looked for.
        ModelNotFound
            If the model has no route.
        """
        named = model if MODEL_NAME.fullmatch(model) else NO_MODEL
        key = None
        if self.authenticator is not None:
            key = self.authenticator.authenticate(
                headers, lambda key_hash: self._key_with_route(key_hash, named)
            )
            if not key.allows(model):
                raise ModelOutOfScope(model)
        if named == NO_MODEL:
            raise ModelNotFound(model)
        seen = self._routes.get(model)
        now = self.clock()
        if seen is None or now - seen[0] >= ROUTE_SECONDS:
            seen = self._remember(model, self.reader.route(model), now)
        if seen[1] is None:
            raise ModelNotFound(model)
        return key, seen[1]

    def _key_with_route(self, key_hash: str, model: str) -> ApiKey | None:
        key, route = self.reader.key_and_route(key_hash, model)
        self._remember(model, route, self.clock())
        return key

    def _remember(self, model: str, route: Route | None, now: float) -> tuple[float, Route | None]:
        if len(self._routes) >= CACHED_ROUTES:
            self._routes.clear()
        seen = self._routes[model] = (now, route)
        return seen
