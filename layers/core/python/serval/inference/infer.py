"""Inference: route → version → loaded model → answer."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from serval.errors import ModelOnFleet, ModelVersionNotFound
from serval.inference.loaded import Loaded, LoadedVersions
from serval.inference.run import read_fitting, run_request
from serval.models.route import PINNED, Counted, Route, Track
from serval.models.storage import VERSION
from serval.models.version import ModelVersion
from serval.protocol.limits import MOST_JSON_BYTES
from serval.protocol.request import InferenceRequest
from serval.protocol.response import InferenceResponse


@dataclass(frozen=True, slots=True)
class Target:
    """The version that answers a request, and what it is counted for."""

    version: str
    track: Counted


@dataclass(frozen=True, slots=True)
class InferenceAnswer:
    """What a request gets, and what it took."""

    request: InferenceRequest
    response: InferenceResponse
    infer_ms: float


def choose_target(route: Route, wanted: str | None, affinity: str) -> Target:
    """Choose the version: the one asked for by number, else the route's for this affinity."""
    if wanted is not None:
        track: Track = "candidate" if wanted == route.candidate else "stable"
        return Target(wanted, PINNED[track])
    return Target(route.version_for(affinity), route.track_for(affinity))


def on_lambda(find: Callable[[str, str], ModelVersion]) -> Callable[[str, str], ModelVersion]:
    """Find versions as ``find`` does, but none that runs on a fleet.

    A path whose name has a character as ``%74`` is not the one that a fleet's model is deployed on,
    and leads to the function that all other models share.
    """

    def found(model: str, version: str) -> ModelVersion:
        record = find(model, version)
        if record.bundle.get("compute", {}).get("target") == "fleet":
            raise ModelOnFleet(model)
        return record

    return found


@dataclass(frozen=True, slots=True)
class Inference:
    """Answers requests from the versions that this environment has loaded."""

    loaded: LoadedVersions
    clock: Callable[[], float] = time.perf_counter

    def load(self, model: str, version: str) -> Loaded:
        """Give the loaded version, loading it first if it is not."""
        if not VERSION.fullmatch(version):
            raise ModelVersionNotFound(model, version)
        return self.loaded.get(model, version)

    def answer(
        self,
        loaded: Loaded,
        body: str | bytes,
        header_length: str | None,
        json_limit: int = MOST_JSON_BYTES,
    ) -> InferenceAnswer:
        """Read, check, run.

        Raises
        ------
        InvalidRequest
            If the request does not fit the signature.
        InferenceFailed
            If the runtime fails on a request that does.
        """
        request = read_fitting(body, header_length, loaded.record.signature, json_limit)
        started = self.clock()
        outputs = run_request(loaded, request)
        infer_ms = (self.clock() - started) * 1e3
        response = InferenceResponse(loaded.record.model, loaded.record.version, outputs)
        return InferenceAnswer(request, response, infer_ms)
