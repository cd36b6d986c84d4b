"""Routing: choose the version of a request of a fleet's model, when its work begins."""

from dataclasses import dataclass

from serval.errors import NotFound
from serval.inference.batch_limits import BatchLimits
from serval.models.route import PINNED, Counted, KnownVersions, Track
from serval.requests.request import AsyncRequest


@dataclass(frozen=True, slots=True)
class Routing:
    """Chooses versions by the routes and bundles that the process knows."""

    versions: KnownVersions

    def version_for(self, request: AsyncRequest) -> str:
        """Choose a request's version: the one it asks for, or else the route's.

        A request that failed on a rollout's candidate is tried on the stable version.

        Raises
        ------
        ModelNotFound, ModelVersionNotFound
            If there is none.
        """
        chosen = request.wanted or self._choose_by_route(request)
        return self.versions.version(request.model, chosen).version

    def track_of(self, request: AsyncRequest) -> Counted:
        """Return the track that a request is counted on after a version has run it."""
        candidate = self.versions.route(request.model).candidate == request.version
        track: Track = "candidate" if candidate else "stable"
        return track if request.wanted is None else PINNED[track]

    def weight_of(self, model: str) -> int:
        """Return the weight of a model among others, as its stable version declares it."""
        try:
            bundle = self.versions.version(model, self.versions.route(model).stable).bundle
        except NotFound:
            return 1
        return BatchLimits.of_bundle(bundle).weight

    def _choose_by_route(self, request: AsyncRequest) -> str:
        route = self.versions.route(request.model)
        if request.error is not None and request.version == route.candidate:
            return route.stable
        return route.version_for(request.affinity or request.id)
