"""A registry, statistics and API keys in memory, behind the endpoint of ``describe``."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from serval.access.admission import Authenticator
from serval.access.api_key import ApiKey, hash_api_key
from serval.errors import (
    ModelNotFound,
    ModelVersionNotFound,
    RegistryUnavailable,
    ServiceUnavailable,
)
from serval.http.describe import DescribeEndpoint
from serval.models.registry import Rollout
from serval.models.route import Counted, Route
from serval.models.signature import Signature, TensorSpec
from serval.models.statistics import TrackStatistics
from serval.models.storage import MODEL_NAME
from serval.models.version import BundleFile, ModelVersion

IRIS = Signature(
    (TensorSpec("x", "FP32", (-1, 4)),),
    (TensorSpec("label", "INT64", (-1,)), TensorSpec("probabilities", "FP32", (-1, 3))),
)


STANDING = {
    "model": "iris",
    "stable": "1",
    "version": "2",
    "status": "running",
    "step": "canary",
    "percent": 10,
    "paused": False,
    "started": "2026-11-21T10:00:00.000Z",
    "finished": None,
    "reason": None,
}
"""A canary of the model ``iris``, as its callers are told of it."""


def version_record(model: str, version: str, sign: Signature = IRIS) -> ModelVersion:
    return ModelVersion(
        model=model,
        version=version,
        digest="0" * 64,
        created="2026-11-21T10:00:00.000Z",
        artifact="model.onnx",
        artifact_files=("model.onnx",),
        files=(BundleFile("model.onnx", "0" * 64, 2300),),
        signature=sign,
    )


@dataclass
class InMemoryRegistry:
    routes: dict[str, Route] = field(default_factory=dict)
    records: list[ModelVersion] = field(default_factory=list)
    rolled_out: list[Rollout] = field(default_factory=list)
    down: bool = False

    def publish(self, model: str, *versions: str, route: Route | None = None) -> None:
        """Record versions; the last one is stable unless the route says otherwise."""
        self.records += [version_record(model, version) for version in versions]
        self.routes[model] = route or Route(versions[-1])

    def models(self) -> Sequence[str]:
        self._answer()
        return sorted(self.routes)

    def route(self, model: str) -> Route:
        assert MODEL_NAME.fullmatch(model), "DynamoDB refuses keys that are empty or too long"
        self._answer()
        if model not in self.routes:
            raise ModelNotFound(model)
        return self.routes[model]

    def version(self, model: str, version: str) -> ModelVersion:
        for record in self.versions(model):
            if record.version == version:
                return record
        raise ModelVersionNotFound(model, version)

    def versions(self, model: str) -> Sequence[ModelVersion]:
        self._answer()
        return [record for record in self.records if record.model == model]

    def rollouts(self, model: str) -> Sequence[Rollout]:
        self._answer()
        own = [rollout for rollout in self.rolled_out if rollout.model == model]
        return sorted(own, key=lambda rollout: rollout.created, reverse=True)

    def _answer(self) -> None:
        if self.down:
            raise RegistryUnavailable("the registry did not answer: timed out")


@dataclass
class InMemoryStatistics:
    known: dict[tuple[str, Counted], TrackStatistics] = field(default_factory=dict)
    down: bool = False

    def of(
        self, tracks: Iterable[tuple[str, Counted]]
    ) -> Mapping[tuple[str, Counted], TrackStatistics]:
        if self.down:
            raise ServiceUnavailable("the metrics did not answer: timed out")
        return {track: self.known.get(track, TrackStatistics()) for track in tracks}


@dataclass
class Bench:
    """An endpoint over memory, with what it logged."""

    registry: InMemoryRegistry = field(default_factory=InMemoryRegistry)
    statistics: InMemoryStatistics = field(default_factory=InMemoryStatistics)
    keys: dict[str, ApiKey] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    authentication: str = "key"

    def grant(self, text: str, *models: str) -> None:
        """Make an API key good for models."""
        self.keys[hash_api_key(text)] = ApiKey.describe(text, "test", models or ("*",), "2026")

    @property
    def endpoint(self) -> DescribeEndpoint:
        return DescribeEndpoint(
            self.registry,
            self.statistics,
            Authenticator() if self.authentication == "key" else None,
            self.keys.get,
            self.log.append,
        )
