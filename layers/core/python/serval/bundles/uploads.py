"""Uploads: the files of each, and the objects of the artifact bucket that hold them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from serval.bundles.manifest import LIMIT_BUNDLE_BYTES, LIMIT_MANIFEST_BYTES, read_manifest
from serval.bundles.used_versions import NO_FOLLOWERS, Followers, UsedVersion
from serval.errors import BundleRefused, ModelNotFound
from serval.models.registry import ModelRegistry, stable_version
from serval.models.storage import BARE_ARTIFACT, MANIFEST, Incoming, version_prefix
from serval.models.version import BundleFile


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One version of an object in the artifact bucket."""

    key: str
    version_id: str
    size_bytes: int
    digest: str | None = None
    """As S3 checked it when the bytes came (``serval.models.digests``); None if it did not."""


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """One file of an upload, pinned to one version of an object."""

    path: str
    sha256: str | None
    """From the manifest; None for a bare artifact, which has none."""
    source: StoredObject

    @property
    def vouched(self) -> bool:
        """Whether S3 itself has checked that the object has the manifest's digest."""
        return self.sha256 is not None and self.sha256 == self.source.digest


@dataclass(frozen=True, slots=True)
class Upload:
    """A complete upload, as the steps of a rollout pass it on."""

    model: str
    rollout: str
    files: tuple[UploadedFile, ...]
    used: tuple[UsedVersion, ...] = ()
    """What the steps of a pipeline call."""
    followers: Followers = NO_FOLLOWERS

    @property
    def sources(self) -> Mapping[str, StoredObject]:
        """Path inside the bundle → object."""
        return {file.path: file.source for file in self.files}

    def to_json(self) -> dict[str, Any]:
        """Return the upload as plain JSON values."""
        files = [
            {
                "path": file.path,
                "sha256": file.sha256,
                "size_bytes": file.source.size_bytes,
                "key": file.source.key,
                "version_id": file.source.version_id,
                "vouched": file.vouched,
            }
            for file in self.files
        ]
        used = [each.to_json() for each in self.used]
        described = {"model": self.model, "rollout": self.rollout, "files": files}
        followers = {"followers": self.followers.to_json()} if self.followers.pipelines else {}
        return described | ({"used": used} if used else {}) | followers

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Upload":
        """Read what ``to_json`` returned."""
        files = tuple(
            UploadedFile(
                file["path"],
                file["sha256"],
                StoredObject(
                    file["key"],
                    file["version_id"],
                    file["size_bytes"],
                    file["sha256"] if file.get("vouched") else None,
                ),
            )
            for file in value["files"]
        )
        used = tuple(UsedVersion.from_json(each) for each in value.get("used", ()))
        followers = Followers.from_json(value.get("followers", {}))
        return cls(value["model"], value["rollout"], files, used, followers)


class IncomingArtifacts(Protocol):
    """Reads of the artifact bucket, each pinned to one version of an object."""

    def find(self, key: str, version_id: str | None = None) -> StoredObject | None:
        """Find a version of an object, by default the newest; None if it does not exist."""

    def read(self, found: StoredObject) -> bytes:
        """Read an object's bytes."""


@dataclass(frozen=True, slots=True)
class Uploads:
    """Finds uploads in the artifact bucket."""

    artifacts: IncomingArtifacts
    registry: ModelRegistry

    def collect(self, incoming: Incoming, announced: StoredObject) -> tuple[UploadedFile, ...]:
        """Find every file of the upload, without downloading them.

        Raises
        ------
        BundleRefused
            If the manifest is wrong, a file is missing or there is no version to inherit from.
        """
        if incoming.upload is None:
            return self._collect_bare(incoming.model, announced)
        check_size(MANIFEST, announced, LIMIT_MANIFEST_BYTES)
        manifest = read_manifest(self.artifacts.read(announced), incoming.model)
        return self._find(manifest.files, incoming.prefix)

    def _collect_bare(self, model: str, announced: StoredObject) -> tuple[UploadedFile, ...]:
        """Inherit every file but the artifact from the stable version."""
        check_size(BARE_ARTIFACT, announced, LIMIT_BUNDLE_BYTES)
        try:
            stable = stable_version(self.registry, model)
        except ModelNotFound:
            raise BundleRefused(
                [
                    f"model {model!r} has no stable version to inherit model.yaml from: "
                    "publish its first version with `serval push BUNDLE`"
                ]
            ) from None
        if stable.runtime != "onnx":
            raise BundleRefused(
                [
                    f"version {stable.version} of model {model!r} is not run by ONNX Runtime, "
                    f"and takes no bare {BARE_ARTIFACT}: publish the whole bundle with "
                    "`serval push BUNDLE`"
                ]
            )
        inherited = [file for file in stable.files if file.path not in stable.artifact_files]
        try:
            found = self._find(inherited, version_prefix(model, stable.version))
        except BundleRefused:
            raise BundleRefused(
                [
                    f"version {stable.version}, from which a bare {BARE_ARTIFACT} inherits, lost "
                    "files: publish the whole bundle with `serval push BUNDLE`"
                ]
            ) from None
        return (*found, UploadedFile(stable.artifact, None, announced))

    def _find(self, files: Sequence[BundleFile], prefix: str) -> tuple[UploadedFile, ...]:
        """Find each file's object, which must have the expected size."""
        uploaded: list[UploadedFile] = []
        reasons = []
        for file in files:
            found = self.artifacts.find(prefix + file.path)
            if found is None:
                reasons.append(
                    f"{file.path} is named by {MANIFEST}, but was not uploaded: upload it, and "
                    f"{MANIFEST} last"
                )
            elif found.size_bytes != file.size_bytes:
                reasons.append(
                    f"{file.path} has {found.size_bytes} bytes, {MANIFEST} says "
                    f"{file.size_bytes}: upload it again, and {MANIFEST} last"
                )
            else:
                uploaded.append(UploadedFile(file.path, file.sha256, found))
        if reasons:
            raise BundleRefused(reasons)
        return tuple(uploaded)


def check_size(path: str, found: StoredObject, limit_bytes: int) -> None:
    """Refuse an object over a limit."""
    if found.size_bytes > limit_bytes:
        raise BundleRefused([f"{path}: {found.size_bytes} bytes, at most {limit_bytes} allowed"])
