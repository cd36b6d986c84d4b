"""Verify: the second step of a rollout. It reads by presigned URLs and has no other rights."""

import json
import math
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from serval.bundles.manifest import Manifest
from serval.bundles.uploads import Upload
from serval.bundles.verification.deployment import (
    GRAPH,
    LAMBDA_LIMIT_MIB,
    MEMORY_PER_BYTE,
    RUNTIME_MIB,
    Deployment,
)
from serval.bundles.verification.files import sha256_of
from serval.bundles.verification.verify_bundle import VerifiedBundle, verify
from serval.errors import BundleRefused
from serval.models.version import BundleFile
from serval.rollouts.steps.outcomes import refused

LIMIT_BYTES = 50_000
"""Of what is verified: the optimised forms and the golden check add theirs."""


class Download(Protocol):
    """Reads a URL into a file."""

    def __call__(self, url: str, target: Path, size_bytes: int) -> None:
        """Write exactly ``size_bytes`` to ``target``; more are never read."""


@dataclass(frozen=True, slots=True)
class Verify:
    """Everything that verifying an upload needs."""

    download: Download
    deployment: Deployment
    memory_mib: int
    """This function's own."""
    work_folder: Path | None = None
    """Where uploads are gathered; None: the system's temporary folder."""

    def verify(self, upload: Upload, urls: Mapping[str, str]) -> dict[str, Any]:
        """Verify an upload.

        Returns
        -------
        dict
            ``outcome``: ``refused`` with ``reasons``, or ``passed`` with what is ``verified``.
        """
        try:
            with tempfile.TemporaryDirectory(dir=self.work_folder, prefix="upload-") as folder:
                manifest = self._gather(upload, urls, Path(folder))
                verified = verify(Path(folder), manifest, self.deployment)
            return {"outcome": "passed", "verified": document(manifest, verified)}
        except BundleRefused as refusal:
            return refused(refusal.reasons)

    def _gather(self, upload: Upload, urls: Mapping[str, str], folder: Path) -> Manifest:
        """Bring every file into an empty folder; a bare artifact's sha256 is taken here."""
        self._check_room(upload, folder)
        files = []
        for file in upload.files:
            target = folder / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            self.download(urls[file.path], target, file.source.size_bytes)
            sha256 = file.sha256 or sha256_of(target)
            files.append(BundleFile(file.path, sha256, file.source.size_bytes))
        return Manifest(upload.model, tuple(files))

    def _check_room(self, upload: Upload, folder: Path) -> None:
        """Refuse what does not fit here; only graphs are held in memory, weights beside them not.

        A graph that is called otherwise ends, if it is too large, with this function itself.
        """
        needed = sum(file.source.size_bytes for file in upload.files)
        graph = sum(f.source.size_bytes for f in upload.files if f.path.endswith(GRAPH))
        needed_mib = math.ceil(RUNTIME_MIB + MEMORY_PER_BYTE * graph / 2**20)
        if needed_mib > self.memory_mib:
            remedy = (
                f"run `serval deploy -c verification_memory_mib={needed_mib}`"
                if needed_mib <= LAMBDA_LIMIT_MIB
                else f"Lambda ends at {LAMBDA_LIMIT_MIB} MiB, so quantise the model"
            )
            raise BundleRefused(
                [
                    f"the graph has {graph} bytes, whose checks need {needed_mib} MiB of "
                    f"memory; `verify` has {self.memory_mib}: {remedy}"
                ]
            )
        if needed > (free := shutil.disk_usage(folder).free):
            raise BundleRefused(
                [
                    f"the upload has {needed} bytes and `verify` has room for {free}: quantise "
                    "the model, or give `verify` more ephemeral storage and deploy again"
                ]
            )


def document(manifest: Manifest, verified: VerifiedBundle) -> dict[str, Any]:
    """Give what is verified as the later steps read it, or refuse what they could not be told."""
    fleet = verified.fleet
    described = {
        "files": [
            {"path": file.path, "sha256": file.sha256, "size_bytes": file.size_bytes}
            for file in manifest.files
        ],
        "artifact": verified.bundle.artifact,
        "artifact_files": list(verified.artifact_files),
        "fleet": fleet and {"name": fleet.name, "accelerator": fleet.accelerator},
        "signature": verified.signature.to_json(),
        "bundle": verified.bundle.to_json(),
    }
    if (size := len(json.dumps(described))) > LIMIT_BYTES:
        raise BundleRefused(
            [
                f"a rollout hands on the names of {len(manifest.files)} files, "
                f"{len(verified.signature.inputs)} inputs and {len(verified.signature.outputs)} "
                f"outputs, and model.yaml: {size} bytes, at most {LIMIT_BYTES} fit; use fewer "
                "tensors or shorter names"
            ]
        )
    return described
