"""What a process remembers of the registry: routes for some seconds, versions for good."""

import math
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from serval.errors import ModelVersionNotFound
from serval.models.route import Route
from serval.models.storage import VERSION
from serval.models.version import ModelVersion

ROUTE_SECONDS = 5.0
Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


@dataclass(slots=True)
class Remembered(Generic[Key, Value]):
    """Values by key, each read again once it is older than the lifetime."""

    seconds: float = math.inf
    """The lifetime; by default values are kept for good."""
    clock: Callable[[], float] = time.monotonic
    most: int = 4096
    """When so many are kept, all are dropped before the next one."""
    _values: dict[Key, tuple[float, Value]] = field(default_factory=dict)

    def get(self, key: Key, read: Callable[[], Value]) -> Value:
        """Return the value of a key, reading it unless it is known."""
        now = self.clock()
        known = self._values.get(key)
        if known is not None and now - known[0] < self.seconds:
            return known[1]
        return self._keep(key, read(), now)

    def put(self, key: Key, value: Value) -> None:
        """Keep a value that was read together with another one."""
        self._keep(key, value, self.clock())

    def peek(self, key: Key) -> Value | None:
        """Return a value without reading it, however old it is."""
        known = self._values.get(key)
        return None if known is None else known[1]

    def _keep(self, key: Key, value: Value, now: float) -> Value:
        if len(self._values) >= self.most:
            self._values.clear()
        self._values[key] = (now, value)
        return value


class VersionRegistry(Protocol):
    """The registry's reads that choosing and running a version needs."""

    def route(self, model: str) -> Route:
        """Return a model's route, or raise ``ModelNotFound``."""

    def version(self, model: str, version: str) -> ModelVersion:
        """Return a version, or raise ``ModelVersionNotFound``."""


@dataclass(slots=True)
class KnownVersions:
    """A registry whose routes are remembered for five seconds, and its versions for good."""

    registry: VersionRegistry
    clock: Callable[[], float] = time.monotonic
    _routes: Remembered[str, Route] = field(init=False)
    _versions: Remembered[tuple[str, str], ModelVersion] = field(default_factory=Remembered)

    def __post_init__(self) -> None:
        self._routes = Remembered(ROUTE_SECONDS, self.clock)

    def route(self, model: str) -> Route:
        """Return a model's route, or raise ``ModelNotFound``."""
        return self._routes.get(model, lambda: self.registry.route(model))

    def version(self, model: str, version: str) -> ModelVersion:
        """Return a version, or raise ``ModelVersionNotFound``."""
        if not VERSION.fullmatch(version):
            raise ModelVersionNotFound(model, version)
        return self._versions.get((model, version), lambda: self.registry.version(model, version))

    def stable_version(self, model: str) -> ModelVersion | None:
        """Return a model's stable version as far as it is known, without a read."""
        route = self._routes.peek(model)
        return None if route is None else self._versions.peek((model, route.stable))
