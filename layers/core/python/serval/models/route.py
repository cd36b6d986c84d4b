"""Routes: which versions of a model get traffic, and what a process remembers of them."""

import hashlib
import math
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, Protocol, TypeVar

from serval.errors import ModelNotFound, ModelOnFleet, ModelVersionNotFound
from serval.models.storage import VERSION
from serval.models.version import ModelVersion

Track = Literal["stable", "candidate"]
Counted = Literal["stable", "candidate", "pinned-stable", "pinned-candidate", "cached"]
"""The track that a request is counted on. One that names its version is counted apart, so that it
has no influence on a rollout; and so is one whose answer had been kept, which says nothing of a
version's speed."""
PINNED: dict[Track, Counted] = {"stable": "pinned-stable", "candidate": "pinned-candidate"}
"""Track → where requests that name its version are counted."""
ROUTE_SECONDS = 5.0
"""How long a process remembers a route."""
Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Route:
    """The stable version of a model and, during a rollout, a candidate with its percent."""

    stable: str
    candidate: str | None = None
    percent: int = 0
    rollout: str = ""
    revision: int = 0
    """Grows by one with every write, which is conditional on it."""

    def track_for(self, affinity: str) -> Track:
        """Choose the track for an affinity key.

        A key keeps its place between 0 and 100 for the whole rollout. So it moves to the candidate
        at most once while ``percent`` grows, and back only if that falls.
        """
        if self.candidate is None or self.percent <= 0:
            return "stable"
        digest = hashlib.blake2b(f"{self.rollout}\0{affinity}".encode(), digest_size=8).digest()
        share = int.from_bytes(digest) * 100 / 2**64
        return "candidate" if share < self.percent else "stable"

    def version_for(self, affinity: str) -> str:
        """Choose the version for an affinity key."""
        chosen = self.candidate if self.track_for(affinity) == "candidate" else None
        return chosen or self.stable

    @classmethod
    def from_attributes(cls, attributes: Mapping[str, Any]) -> "Route":
        """Read the registry's item, whose numbers may be text, as DynamoDB sends them."""
        return cls(
            stable=attributes["stable"],
            candidate=attributes.get("candidate"),
            percent=int(attributes["percent"]),
            rollout=attributes["rollout"],
            revision=int(attributes["revision"]),
        )


@dataclass(frozen=True, slots=True)
class Target:
    """The version that answers a request, and what it is counted for."""

    version: str
    track: Counted


def choose_target(route: Route, wanted: str | None, affinity: str) -> Target:
    """Choose the version: the one asked for by number, else the route's for this affinity."""
    if wanted is not None:
        track: Track = "candidate" if wanted == route.candidate else "stable"
        return Target(wanted, PINNED[track])
    chosen = route.track_for(affinity)
    version = route.candidate if chosen == "candidate" else None
    return Target(version or route.stable, chosen)


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


@dataclass(slots=True)
class KnownStables:
    """The stable versions of models, remembered for five seconds."""

    read: Callable[[str], Route | None]
    """Reads a model's route."""
    clock: Callable[[], float] = time.monotonic
    _routes: Remembered[str, Route | None] = field(init=False)

    def __post_init__(self) -> None:
        self._routes = Remembered(ROUTE_SECONDS, self.clock)

    def __call__(self, model: str) -> str:
        """Return a model's stable version, or raise ``ModelNotFound``."""
        route = self._routes.get(model, lambda: self.read(model))
        if route is None:
            raise ModelNotFound(model)
        return route.stable


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


def on_lambda(find: Callable[[str, str], ModelVersion]) -> Callable[[str, str], ModelVersion]:
    """Find versions as ``find`` does, except those that run on a fleet."""

    def find_on_lambda(model: str, version: str) -> ModelVersion:
        record = find(model, version)
        if record.on_fleet:
            raise ModelOnFleet(model)
        return record

    return find_on_lambda
