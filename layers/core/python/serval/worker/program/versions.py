"""Which version answers, and its loaded form: what a worker asks the registry, and remembers."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from serval.errors import ModelVersionNotFound
from serval.inference.batching import (
    BatchLimits,
    ShapeKey,
    complemented,
    rows_in,
    shape_key,
    shareable,
)
from serval.inference.infer import choose
from serval.inference.loaded import Loaded, LoadedVersions
from serval.models.route import Route
from serval.models.storage import VERSION
from serval.models.version import ModelVersion
from serval.worker.queue.held import Held

ROUTE_SECONDS = 5.0
Sharing = tuple[str, ShapeKey]
"""Version and shape: requests with equal ones share a run."""


class WorkerRegistry(Protocol):
    """The registry's reads that a worker needs."""

    def route(self, model: str) -> Route:
        """Give a model's route, or raise ``ModelNotFound``."""

    def version(self, model: str, version: str) -> ModelVersion:
        """Give a version, or raise ``ModelVersionNotFound``."""


@dataclass(slots=True)
class KnownVersions:
    """Routes for five seconds; records, which never change, for good."""

    registry: WorkerRegistry
    clock: Callable[[], float]
    _routes: dict[str, tuple[float, Route]] = field(default_factory=dict)
    _records: dict[tuple[str, str], ModelVersion] = field(default_factory=dict)
    _unshared: set[tuple[str, str]] = field(default_factory=set)

    def route(self, model: str) -> Route:
        """Give a model's route, or raise ``ModelNotFound``."""
        seen = self._routes.get(model)
        if seen is None or self.clock() - seen[0] >= ROUTE_SECONDS:
            seen = self._routes[model] = (self.clock(), self.registry.route(model))
        return seen[1]

    def record(self, model: str, version: str) -> ModelVersion:
        """Give a version's record, or raise ``ModelVersionNotFound``."""
        record = self._records.get((model, version))
        if record is None:
            if not VERSION.fullmatch(version):
                raise ModelVersionNotFound(model, version)
            record = self._records[model, version] = self.registry.version(model, version)
        return record

    def limits(self, model: str) -> BatchLimits:
        """Give a model's batch limits: its stable version's, the defaults until that is known.

        It asks nobody: it is called between any two messages.
        """
        seen = self._routes.get(model)
        record = self._records.get((model, seen[1].stable)) if seen else None
        return BatchLimits.of_bundle(record.bundle) if record else BatchLimits()

    def aim(self, one: Held) -> None:
        """Choose the version of a request; what was read for another one is read again."""
        if one.candidate_failure is not None:
            return
        row = one.known
        route = self.route(row.model)
        target = choose(route, row.wanted, row.affinity or row.id)
        one.fallback = route.stable if target.track == "candidate" else None
        if one.target is None or one.target.version != target.version:
            one.request = None
        one.target = target

    def sharing(self, one: Held) -> Sharing | None:
        """Give what a request must have in common with those it shares a run with; None: nobody."""
        key, request = (one.known.model, one.aim.version), one.request
        if request is None or one.alone or key in self._unshared or not rows_in(request.inputs):
            return None
        signature = self.record(*key).signature
        if not shareable(signature) or complemented(request.inputs, signature):
            return None
        return one.aim.version, shape_key(request.inputs)

    def never_share(self, model: str, version: str) -> None:
        """Remember that a version's requests cannot share a run, whatever its signature says."""
        self._unshared.add((model, version))


@dataclass(slots=True)
class LoadedMemory:
    """The loaded versions, used by the thread that prepares and by the one that runs.

    A version that needs the room of others is loaded only by the one that runs: nothing runs then,
    so that what is let go leaves memory at once.
    """

    loaded: LoadedVersions
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def load(self, record: ModelVersion) -> Loaded:
        """Give a loaded version, loading it beside the others, or instead of some, if need be.

        Raises
        ------
        ArtifactUnavailable, ModelTooLarge
            As ``LoadedVersions.get``.
        """
        if not self._lock.acquire(blocking=False):
            # Another version is being loaded: no reason to wait for one that is there.
            if (held := self.loaded.find_loaded(record.model, record.version)) is not None:
                return held
            self._lock.acquire()
        try:
            return self.loaded.get(record.model, record.version)
        finally:
            self._lock.release()

    def load_ahead(self, record: ModelVersion) -> None:
        """Load a version that is needed next, if there is room beside the others."""
        with self._lock:
            if (record.model, record.version) not in self.loaded and self.loaded.has_room(record):
                self.loaded.get(record.model, record.version)

    def names(self) -> tuple[str, ...]:
        """List what is in memory, as ``textgen:3``."""
        return tuple(sorted(f"{model}:{version}" for model, version in self.loaded.versions()))
