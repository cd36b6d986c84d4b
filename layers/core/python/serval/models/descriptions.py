"""Describe models, versions and statistics to a caller, within the scope of its key."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from serval.errors import ModelNotFound, ModelOutOfScope, ModelVersionNotFound
from serval.models import metadata
from serval.models.registry import ModelRegistry
from serval.models.route import Counted, Route
from serval.models.statistics import (
    NOTHING,
    ModelStatistics,
    TrackStatistics,
    counted_tracks,
    model_statistics,
    tracks_of,
    version_on,
)
from serval.models.storage import MODEL_NAME
from serval.models.version import PIPELINE, ModelVersion


@dataclass(frozen=True, slots=True)
class Descriptions:
    """Descriptions in the protocol's shapes, of the stable version unless one is named.

    Every method that takes a model raises ``ModelOutOfScope`` for one outside the caller's scope,
    even if it does not exist, and otherwise ``ModelNotFound`` or ``ModelVersionNotFound``.
    """

    registry: ModelRegistry
    statistics: ModelStatistics
    allows: Callable[[str], bool]
    """Whether a model is in the caller's scope."""

    def models(self) -> list[str]:
        """List the models in the caller's scope."""
        return [model for model in self.registry.models() if self.allows(model)]

    def listed_models(self) -> dict[str, Any]:
        """List the models as KServe's V1 protocol and OpenAI's API do, both at once."""
        listed = self.models()
        data = [self._listing(model) for model in listed]
        return {"models": listed, "object": "list", "data": data}

    def listed_model(self, model: str) -> dict[str, Any]:
        """Report a model as ready, as V1 and OpenAI's API do, both at once."""
        return {**self.readiness(model), **self._listing(model)}

    def _listing(self, model: str) -> dict[str, Any]:
        """Describe a model as OpenAI's API does; it is as old as its oldest version."""
        created = min((each.created for each in self.registry.versions(model)), default=None)
        seconds = int(datetime.fromisoformat(created).timestamp()) if created else 0
        return {"id": model, "object": "model", "created": seconds, "owned_by": "serval"}

    def metadata(self, model: str, version: str | None = None) -> dict[str, Any]:
        """Describe a version, or the stable one with the names of all versions."""
        if version is not None:
            return metadata.model_metadata(self._record(model, version), [version])
        route, records = self._route(model), self.registry.versions(model)
        stable = next((record for record in records if record.version == route.stable), None)
        if stable is None:
            raise ModelVersionNotFound(model, route.stable)
        return metadata.model_metadata(stable, [record.version for record in records])

    def readiness(self, model: str, version: str | None = None) -> dict[str, Any]:
        """Report a model, or a version of it, as ready: what is registered is ready."""
        self._record(model, version)
        return metadata.readiness(model)

    def config(self, model: str, version: str | None = None) -> dict[str, Any]:
        """Return the Triton model configuration."""
        return metadata.model_config(self._record(model, version))

    def stats(self, model: str, version: str | None = None) -> dict[str, Any]:
        """Return the statistics of a version, or of every version that has a track."""
        if version is not None:
            self._record(model, version)
        entries = self._statistics({model: self._route(model)})
        if version is not None:
            own = [entry for entry in entries if entry["version"] == version]
            entries = own or [model_statistics(model, version, TrackStatistics())]
        return {"model_stats": entries}

    def all_stats(self) -> dict[str, Any]:
        """Return the statistics of every model."""
        routes = {}
        for model in self.models():
            with suppress(ModelNotFound):  # listed a moment before its first route is written
                routes[model] = self._route(model)
        return {"model_stats": self._statistics(routes)}

    def index(self) -> list[dict[str, str]]:
        """List every version of every model, for the repository index."""
        return [
            metadata.index_entry(record)
            for model in self.models()
            for record in self.registry.versions(model)
        ]

    def check(self, model: str) -> None:
        """Check that a model is in the caller's scope, and has a name that a model may have."""
        if not self.allows(model):
            raise ModelOutOfScope(model)
        if not MODEL_NAME.fullmatch(model):
            raise ModelNotFound(model)

    def _route(self, model: str) -> Route:
        self.check(model)
        return self.registry.route(model)

    def _record(self, model: str, version: str | None) -> ModelVersion:
        """Read a version's record, or the stable one's; the model must have a route."""
        route = self._route(model)
        return self.registry.version(model, route.stable if version is None else version)

    def _statistics(self, routes: Mapping[str, Route]) -> list[dict[str, Any]]:
        tracks = [track for model, route in routes.items() for track in tracks_of(model, route)]
        counts = [(model, count) for model, track in tracks for count in counted_tracks(track)]
        kept: list[tuple[str, Counted]] = [
            (model, "cached") for model, route in routes.items() if self._may_keep(model, route)
        ]
        found = self.statistics.of([*counts, *kept])
        return [
            model_statistics(
                model,
                version_on(track, routes[model]),
                found[model, routed] + found[model, pinned],
                found.get((model, "cached"), NOTHING) if track == "stable" else NOTHING,
            )
            for model, track in tracks
            for routed, pinned in [counted_tracks(track)]
        ]

    def _may_keep(self, model: str, route: Route) -> bool:
        """Return whether a model may have kept answers: to ask costs less than their metrics."""
        record = self.registry.version(model, route.stable)
        return record.runtime == PIPELINE or record.cache_seconds is not None
