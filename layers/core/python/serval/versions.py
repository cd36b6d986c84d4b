"""Model versions: immutable published bundles, as the registry records them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from serval.signatures import Signature


@dataclass(frozen=True, slots=True)
class BundleFile:
    """One file of a bundle; ``path`` is relative to the bundle, with forward slashes."""

    path: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """Everything that serving a version needs to know."""

    model: str
    version: str
    digest: str
    """sha256 of the bundle's files: same bytes, same version."""
    created: str
    """UTC, ISO 8601."""
    artifact: str
    """Path of the graph inside the bundle."""
    artifact_files: tuple[str, ...]
    """Paths that a runtime needs on disk: the graph and its external data."""
    files: tuple[BundleFile, ...]
    signature: Signature
    runtime: str = "onnx"
    bundle: Mapping[str, Any] = field(default_factory=dict)
    """``model.yaml`` as validated."""

    def file(self, path: str) -> BundleFile:
        """Find a file of the bundle by its path."""
        return next(file for file in self.files if file.path == path)

    @property
    def artifact_bytes(self) -> int:
        """Size of what a runtime loads, in bytes."""
        return sum(self.file(path).size_bytes for path in self.artifact_files)

    def to_json(self) -> str:
        """Give the record as the registry stores it."""
        return json.dumps(
            {
                "model": self.model,
                "version": self.version,
                "digest": self.digest,
                "created": self.created,
                "artifact": self.artifact,
                "artifact_files": self.artifact_files,
                "files": [[f.path, f.sha256, f.size_bytes] for f in self.files],
                "signature": self.signature.to_json(),
                "runtime": self.runtime,
                "bundle": self.bundle,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> "ModelVersion":
        """Read what ``to_json`` gave."""
        value = json.loads(text)
        return cls(
            **{
                **value,
                "artifact_files": tuple(value["artifact_files"]),
                "files": tuple(BundleFile(*file) for file in value["files"]),
                "signature": Signature.from_json(value["signature"]),
            }
        )
