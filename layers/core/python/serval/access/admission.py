"""Admission: who calls, whether it may call this model and how often, and which versions answer."""

import base64
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from serval.access.api_key import GATEWAY, ApiKey, Caller, hash_api_key
from serval.errors import (
    ApiKeyMissing,
    ApiKeyRejected,
    ModelNotFound,
    ModelOutOfScope,
    RateLimited,
)
from serval.models.route import ROUTE_SECONDS, Remembered, Route
from serval.models.storage import MODEL_NAME

KeyLookup = Callable[[str], ApiKey | None]
"""sha256 (hex) of an API key → the key, or None for an unknown or revoked one."""
KEY_SECONDS = 60.0
"""How long keys are cached."""
CACHED_KEYS = 1024
NO_MODEL = ""
"""Stands for what is no model name; it has no route."""
BURST_SECONDS = 10.0
"""A burst may use up what the rate allows in this time."""
ROUNDING = 1e-6


def presented_key(headers: Mapping[str, str]) -> str:
    """Read the API key from ``authorization`` or ``x-api-key`` (lower-case names).

    Clients that know no keys of ours send one as what they do know: a bearer token, the password
    of basic authentication (RFC 7617), or the id of the access key with which an AWS SDK signs
    (Signature Version 4). The signature says nothing more: whoever has the key could make it.
    """
    authorization = headers.get("authorization", "")
    scheme, _, credentials = authorization.partition(" ")
    scheme, credentials = scheme.lower(), credentials.strip()
    if scheme == "bearer" and credentials:
        return credentials
    if key := headers.get("x-api-key", "").strip():
        return key
    if scheme == "basic":
        key = _password(credentials)
    elif scheme == "aws4-hmac-sha256":
        key = credentials.partition("Credential=")[2].partition("/")[0]
    if not key:
        raise ApiKeyMissing
    return key


def _password(credentials: str) -> str:
    """Return the password of ``user:password`` in base64; empty if there is none."""
    try:
        return base64.b64decode(credentials, validate=True).decode().partition(":")[2]
    except ValueError:
        return ""


@dataclass(slots=True)
class Authenticator:
    """Checks API keys and caches good and bad ones for 60 s, so a revocation holds within 60 s.

    The cache is keyed by hash: a process that runs models holds no key that could be used.
    """

    clock: Callable[[], float] = time.monotonic
    _callers: Remembered[str, Caller | None] = field(init=False)

    def __post_init__(self) -> None:
        self._callers = Remembered(KEY_SECONDS, self.clock, CACHED_KEYS)

    def authenticate(
        self, headers: Mapping[str, str], lookup: KeyLookup, key_hash: str | None = None
    ) -> Caller:
        """Return the caller, looking its key up unless it is cached.

        Parameters
        ----------
        key_hash
            Of the key, where something else than the headers says which it is.

        Raises
        ------
        ApiKeyMissing
            If no key was sent.
        ApiKeyRejected
            If the key is unknown or revoked.
        """
        key_hash = key_hash or hash_api_key(presented_key(headers))
        caller = self._callers.get(key_hash, lambda: _look_up(key_hash, lookup))
        if caller is None:
            raise ApiKeyRejected
        return caller

    def find_cached(self, headers: Mapping[str, str]) -> Caller | None:
        """Return the caller if its key is cached and good, without a lookup."""
        try:
            return self._callers.peek(hash_api_key(presented_key(headers)))
        except ApiKeyMissing:
            return None


def _look_up(key_hash: str, lookup: KeyLookup) -> Caller | None:
    key = lookup(key_hash)
    return Caller(key, key_hash) if key else None


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
    _routes: Remembered[str, Route | None] = field(init=False)

    def __post_init__(self) -> None:
        self._routes = Remembered(ROUTE_SECONDS, self.clock)

    def admit(
        self, headers: Mapping[str, str], model: str, key_hash: str | None = None
    ) -> tuple[Caller, Route]:
        """Return the caller and the model's route.

        Raises
        ------
        NotAuthenticated
            If the key is missing, unknown or revoked.
        ModelOutOfScope, ModelNotFound
            As ``find_route`` does.
        """
        caller = self.authenticate(headers, model, key_hash)
        return caller, self.find_route(caller, model)

    def authenticate(
        self, headers: Mapping[str, str], model: str = NO_MODEL, key_hash: str | None = None
    ) -> Caller:
        """Return the caller; reading its key also reads the model's route.

        Raises
        ------
        NotAuthenticated
            If the key is missing, unknown or revoked.
        """
        if self.authenticator is None:
            return GATEWAY
        return self.authenticator.authenticate(
            headers, lambda wanted: self._read_key_and_route(wanted, model), key_hash
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
        route = self._routes.get(model, lambda: self._read_route(model))
        if route is None:
            raise ModelNotFound(model)
        return route

    def _read_route(self, model: str) -> Route | None:
        if not MODEL_NAME.fullmatch(model):
            raise ModelNotFound(model)
        return self.reader.route(model)

    def _read_key_and_route(self, key_hash: str, model: str) -> ApiKey | None:
        named = model if MODEL_NAME.fullmatch(model) else NO_MODEL
        key, route = self.reader.key_and_route(key_hash, named)
        self._routes.put(named, route)
        return key


@dataclass(slots=True)
class RealtimeLimit:
    """Limits calls to models on Lambda by a token bucket for each key, in each environment.

    A count for the whole stage would cost a write for each request, more than the request itself.
    An environment answers one request at a time and refuses one in a millisecond, so a key that
    floods the stage occupies few environments, not all that the account has.
    """

    clock: Callable[[], float] = time.monotonic
    _buckets: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Tokens by key id, and when they were counted."""

    def take(self, caller: Caller) -> None:
        """Count one more request, or raise ``RateLimited``."""
        key = caller.key
        if key is None:
            return
        now = self.clock()
        per_second = key.realtime_per_minute / 60
        most = max(1.0, per_second * BURST_SECONDS)
        tokens, then = self._buckets.get(key.id, (most, now))
        tokens = min(most, tokens + (now - then) * per_second)
        if tokens < 1 - ROUNDING:
            seconds = math.ceil((1 - tokens - ROUNDING) / per_second)
            raise RateLimited(key.realtime_per_minute, max(1, seconds), "send {} requests")
        if len(self._buckets) >= CACHED_KEYS:
            self._buckets.clear()
        self._buckets[key.id] = (max(0.0, tokens - 1), now)


class RateCounter(Protocol):
    """Counts what each API key has asked for in the current minute, for the whole stage."""

    def take(self, key_hash: str, limit: int) -> None:
        """Count one more, or raise ``RateLimited`` if the minute's limit is used up."""


@dataclass(frozen=True, slots=True)
class SubmitLimit:
    """Limits the async requests that an API key may submit in a minute."""

    counter: RateCounter

    def take(self, caller: Caller) -> None:
        """Count one more submission, or raise ``RateLimited``."""
        if caller.key is not None and caller.key_hash is not None:
            self.counter.take(caller.key_hash, caller.key.rate_per_minute)
