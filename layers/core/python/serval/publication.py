"""Publish a verified upload as a version, and promote it: every step may be repeated."""

from dataclasses import dataclass
from typing import Protocol

from serval.clock import Clock, timestamp, utc_now
from serval.errors import ModelNotFound, RegistryUnavailable
from serval.registry import ModelRegistration, ModelRegistry
from serval.routes import Route
from serval.storage import version_prefix
from serval.uploads import StoredObject, Upload
from serval.verification.bundles import VerifiedBundle
from serval.versions import BundleFile, ModelVersion

ROUTE_ATTEMPTS = 10


class PublishedArtifacts(Protocol):
    """Writes under ``models/``, where nothing is ever overwritten."""

    def publish(self, source: StoredObject, file: BundleFile, key: str) -> None:
        """Copy one version of an object to ``key``; what is there already must be the same."""


class Registry(ModelRegistry, ModelRegistration, Protocol):
    """Reads and writes of the registry."""


@dataclass(frozen=True, slots=True)
class Publication:
    """Steps from a verified upload to the stable version."""

    artifacts: PublishedArtifacts
    registry: Registry
    clock: Clock = utc_now

    def publish(self, upload: Upload, verified: VerifiedBundle) -> ModelVersion:
        """Assign the version, copy its files, record it; the same bytes give the same version."""
        manifest = upload.manifest
        digest = manifest.digest
        number = self.registry.reserve(manifest.model, digest)
        for file in manifest.files:
            key = version_prefix(manifest.model, number) + file.path
            self.artifacts.publish(upload.sources[file.path], file, key)
        version = ModelVersion(
            model=manifest.model,
            version=number,
            digest=digest,
            created=timestamp(self.clock()),
            artifact=verified.bundle.artifact,
            artifact_files=verified.artifact_files,
            files=manifest.files,
            signature=verified.signature,
            bundle=verified.bundle.to_json(),
        )
        self.registry.record(version)
        return version

    def promote(self, version: ModelVersion, rollout: str) -> str:
        """Make a version the stable one and say what happened, in words."""
        for _ in range(ROUTE_ATTEMPTS):
            try:
                route: Route | None = self.registry.route(version.model)
            except ModelNotFound:
                route = None
            if route is not None and route.stable == version.version and route.candidate is None:
                before = "" if route.rollout == rollout else "; it already did"
                return f"version {version.version} takes all traffic{before}"
            revision = None if route is None else route.revision
            promoted = Route(version.version, rollout=rollout, revision=(revision or 0) + 1)
            if self.registry.set_route(version.model, promoted, revision):
                return f"version {version.version} takes all traffic"
        raise RegistryUnavailable(
            f"model {version.model!r}: {ROUTE_ATTEMPTS} attempts to set its route all met another "
            "writer; the next attempt may succeed"
        )
