"""Which version a request of a fleet's model gets, when its work begins."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from serval.clock import Clock, utc_now
from serval.errors import NotFound
from serval.models.route import PINNED, Counted, Route, Track
from serval.models.version import ModelVersion
from serval.requests.request import AsyncRequest

REMEMBERED = timedelta(seconds=5)


class RoutedVersions(Protocol):
    """The registry's reads that routing needs."""

    def route(self, model: str) -> Route:
        """Give a model's route, or raise ``ModelNotFound``."""

    def version(self, model: str, version: str) -> ModelVersion:
        """Give a version, or raise ``ModelVersionNotFound``."""


@dataclass(frozen=True, slots=True)
class Routing:
    """Routes for five seconds; versions, which never change, for good."""

    registry: RoutedVersions
    clock: Clock = utc_now
    _routes: dict[str, tuple[datetime, Route]] = field(default_factory=dict)
    _versions: dict[tuple[str, str], ModelVersion] = field(default_factory=dict)

    def version_for(self, request: AsyncRequest) -> str:
        """Choose a request's version: the one it asks for, else the route's for it.

        What the candidate of a rollout has failed at is tried on the stable version.

        Raises
        ------
        ModelNotFound, ModelVersionNotFound
            If there is none.
        """
        chosen = request.wanted or self._routed(request)
        return self.version(request.model, chosen).version

    def track_of(self, request: AsyncRequest) -> Counted:
        """Tell what a request is counted for that a version has run."""
        candidate = self.route(request.model).candidate == request.version
        track: Track = "candidate" if candidate else "stable"
        return track if request.wanted is None else PINNED[track]

    def weight_of(self, model: str) -> int:
        """Give the model's weight among others, as its stable version declares it."""
        try:
            bundle = self.version(model, self.route(model).stable).bundle
        except NotFound:
            return 1
        return int(bundle.get("batching", {}).get("weight", 1))

    def route(self, model: str) -> Route:
        """Give a model's route, or raise ``ModelNotFound``."""
        now = self.clock()
        known = self._routes.get(model)
        if known is None or now - known[0] >= REMEMBERED:
            known = self._routes[model] = (now, self.registry.route(model))
        return known[1]

    def version(self, model: str, version: str) -> ModelVersion:
        """Give a version, or raise ``ModelVersionNotFound``."""
        if (model, version) not in self._versions:
            self._versions[model, version] = self.registry.version(model, version)
        return self._versions[model, version]

    def _routed(self, request: AsyncRequest) -> str:
        route = self.route(request.model)
        if request.error is not None and request.version == route.candidate:
            return route.stable
        return route.version_for(request.affinity or request.id)
