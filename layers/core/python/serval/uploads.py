"""Gather an upload: its files in a local folder, and where in the bucket each came from."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from serval.errors import BundleRefused, ModelNotFound
from serval.manifest import LIMIT_FILE_BYTES, LIMIT_MANIFEST_BYTES, Manifest, read_manifest
from serval.registry import ModelRegistry
from serval.storage import BARE_ARTIFACT, MANIFEST, Incoming, version_prefix
from serval.verification.files import sha256_of
from serval.versions import BundleFile


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One version of an object in the artifact bucket."""

    key: str
    version_id: str
    size_bytes: int


class IncomingArtifacts(Protocol):
    """Reads of the artifact bucket; each is pinned to one version of the object."""

    def find(self, key: str, version_id: str | None = None) -> StoredObject | None:
        """Give a version of an object (None: the newest); None if there is none."""

    def read(self, found: StoredObject) -> bytes:
        """Give an object's bytes."""

    def download(self, found: StoredObject, target: Path) -> None:
        """Write an object's bytes to a file."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A whole upload: what is in it, and from which object each file came."""

    manifest: Manifest
    sources: Mapping[str, StoredObject]
    """Path inside the bundle → object."""


@dataclass(frozen=True, slots=True)
class Uploads:
    """Where uploads are gathered from."""

    artifacts: IncomingArtifacts
    registry: ModelRegistry

    def gather(self, incoming: Incoming, announced: StoredObject, folder: Path) -> Upload:
        """Bring every file of the upload into an empty folder, as it was when announced.

        Raises
        ------
        BundleRefused
            If the manifest is wrong, a file is missing or there is nothing to inherit from.
        """
        if incoming.upload is None:
            return self._gather_bare(incoming.model, announced, folder)
        return self._gather_bundle(incoming, announced, folder)

    def _gather_bundle(self, incoming: Incoming, announced: StoredObject, folder: Path) -> Upload:
        if announced.size_bytes > LIMIT_MANIFEST_BYTES:
            raise BundleRefused(
                [f"{MANIFEST}: {announced.size_bytes} bytes, at most {LIMIT_MANIFEST_BYTES}"]
            )
        manifest = read_manifest(self.artifacts.read(announced), incoming.model)
        sources = self._find(manifest.files, incoming.prefix)
        self._download(sources, folder)
        return Upload(manifest, sources)

    def _gather_bare(self, model: str, announced: StoredObject, folder: Path) -> Upload:
        """Take everything but the artifact from the stable version."""
        if announced.size_bytes > LIMIT_FILE_BYTES:
            raise BundleRefused(
                [f"{BARE_ARTIFACT}: {announced.size_bytes} bytes, at most {LIMIT_FILE_BYTES}"]
            )
        try:
            stable = self.registry.version(model, self.registry.route(model).stable)
        except ModelNotFound:
            raise BundleRefused(
                [
                    f"model {model!r} has no stable version to inherit model.yaml from: "
                    "publish its first version with `serval push BUNDLE`"
                ]
            ) from None
        inherited = [file for file in stable.files if file.path not in stable.artifact_files]
        sources = self._find(inherited, version_prefix(model, stable.version))
        sources[stable.artifact] = announced
        self._download(sources, folder)
        artifact = BundleFile(
            stable.artifact, sha256_of(folder / stable.artifact), announced.size_bytes
        )
        return Upload(Manifest(model, (*inherited, artifact)), sources)

    def _find(self, files: Sequence[BundleFile], prefix: str) -> dict[str, StoredObject]:
        """Find each file's object, of the size expected: nothing of another size is downloaded."""
        sources: dict[str, StoredObject] = {}
        reasons = []
        for file in files:
            found = self.artifacts.find(prefix + file.path)
            if found is None:
                reasons.append(f"{file.path} is named by {MANIFEST}, but was not uploaded")
            elif found.size_bytes != file.size_bytes:
                reasons.append(
                    f"{file.path} has {found.size_bytes} bytes, {MANIFEST} says "
                    f"{file.size_bytes}: upload it again, and {MANIFEST} last"
                )
            else:
                sources[file.path] = found
        if reasons:
            raise BundleRefused(reasons)
        return sources

    def _download(self, sources: Mapping[str, StoredObject], folder: Path) -> None:
        needed = sum(found.size_bytes for found in sources.values())
        if needed > (free := shutil.disk_usage(folder).free):
            raise BundleRefused(
                [
                    f"the upload has {needed} bytes and `register` has room for {free}: give it "
                    "more ephemeral storage and run `cdk deploy`"
                ]
            )
        for path, found in sources.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            self.artifacts.download(found, target)
