"""Publish a verified upload as a version, and promote it: every step may be repeated."""

from dataclasses import dataclass, replace
from typing import Protocol

from serval.clock import Clock, timestamp, utc_now
from serval.errors import ModelNotFound, RegistryUnavailable
from serval.registry import Registry, Rollout
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

    def promote(self, version: ModelVersion, rollout: Rollout) -> Rollout:
        """Make a version the stable one, unless a rollout that started later already has.

        So the last upload wins, also when an earlier one was slower, or was tried again.
        """
        rollout = replace(rollout, version=version.version)
        for _ in range(ROUTE_ATTEMPTS):
            route = self._route(version.model)
            if route is not None and self._started_later(route, rollout):
                reason = (
                    f"version {version.version} is registered, but rollout {route.rollout} "
                    "started later and has the traffic"
                )
                return replace(rollout, status="superseded", reason=reason)
            reason = f"version {version.version} takes all traffic"
            if route is not None and (route.stable, route.candidate) == (version.version, None):
                before = "" if route.rollout == rollout.rollout else "; it already did"
                return replace(rollout, status="promoted", reason=reason + before)
            revision = None if route is None else route.revision
            promoted = Route(version.version, rollout=rollout.rollout, revision=(revision or 0) + 1)
            if self.registry.set_route(version.model, promoted, revision):
                return replace(rollout, status="promoted", reason=reason)
        raise RegistryUnavailable(
            f"model {version.model!r}: {ROUTE_ATTEMPTS} attempts to set its route all met another "
            "writer; the next attempt may succeed"
        )

    def _route(self, model: str) -> Route | None:
        try:
            return self.registry.route(model)
        except ModelNotFound:
            return None

    def _started_later(self, route: Route, rollout: Rollout) -> bool:
        other = self.registry.rollout(rollout.model, route.rollout)
        return other is not None and other.created > rollout.created
