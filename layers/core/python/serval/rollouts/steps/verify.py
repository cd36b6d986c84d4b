"""Verify an upload, the second step of a rollout: it has presigned URLs to read, and no rights."""

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
from serval.bundles.verification.verify_bundle import VerifiedBundle, verify_bundle
from serval.errors import BundleRefused
from serval.models.version import BundleFile
from serval.rollouts.documents import TargetFleet, VerifiedUpload
from serval.rollouts.outcomes import refuse_upload

LIMIT_BYTES = 50_000
"""Of the verified document, to which the steps after it add theirs."""


class Download(Protocol):
    """Reads a URL into a file."""

    def __call__(self, url: str, target: Path, size_bytes: int) -> None:
        """Write exactly ``size_bytes`` to ``target``, and never read more."""


@dataclass(frozen=True, slots=True)
class Verify:
    """Verifies uploads against what the stage has deployed."""

    download: Download
    deployment: Deployment
    memory_mib: int
    """Memory of this function."""
    work_folder: Path | None = None
    """Where to download uploads; None for the system's temporary folder."""

    def verify(self, upload: Upload, urls: Mapping[str, str]) -> dict[str, Any]:
        """Verify an upload.

        Returns
        -------
        dict
            ``outcome``: ``refused`` with ``reasons``, or ``passed`` with what is ``verified``.
        """
        try:
            with tempfile.TemporaryDirectory(dir=self.work_folder, prefix="upload-") as folder:
                manifest = self._download_all(upload, urls, Path(folder))
                bundle = verify_bundle(Path(folder), manifest, self.deployment)
            return {"outcome": "passed", "verified": describe_bundle(manifest, bundle)}
        except BundleRefused as refusal:
            return refuse_upload(refusal.reasons)

    def _download_all(self, upload: Upload, urls: Mapping[str, str], folder: Path) -> Manifest:
        """Download every file, and compute the sha256 that a bare artifact comes without."""
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
        """Refuse an upload that does not fit; graphs go into memory, their external data do not.

        A graph is known by its name. One with another name ends this function if it is too large.
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


def describe_bundle(manifest: Manifest, bundle: VerifiedBundle) -> dict[str, Any]:
    """Write the verified document, or refuse a bundle for which it would be too large."""
    verified = VerifiedUpload(
        files=manifest.files,
        artifact=bundle.bundle.artifact,
        artifact_files=bundle.artifact_files,
        signature=bundle.signature,
        bundle=bundle.bundle.to_json(),
        fleet=TargetFleet(bundle.fleet.name, bundle.fleet.accelerator) if bundle.fleet else None,
    ).to_json()
    if (size := len(json.dumps(verified))) > LIMIT_BYTES:
        raise BundleRefused(
            [
                f"a rollout hands on the names of {len(manifest.files)} files, "
                f"{len(bundle.signature.inputs)} inputs and {len(bundle.signature.outputs)} "
                f"outputs, and model.yaml: {size} bytes, at most {LIMIT_BYTES} fit; use fewer "
                "tensors or shorter names"
            ]
        )
    return verified
