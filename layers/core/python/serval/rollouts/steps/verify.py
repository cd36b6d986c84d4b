"""Verify an upload, the second step of a rollout: it has presigned URLs to read, and no rights."""

import json
import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from serval.bundles.manifest import Manifest
from serval.bundles.pipeline import is_pipeline
from serval.bundles.pipeline_verification import verify_pipeline
from serval.bundles.uploads import Upload, UploadedFile
from serval.bundles.used_versions import UsedVersion
from serval.bundles.verification.deployment import (
    GRAPH,
    LAMBDA_LIMIT_MIB,
    MEMORY_PER_BYTE,
    RUNTIME_MIB,
    Deployment,
)
from serval.bundles.verification.files import digest_reason
from serval.bundles.verification.readable import OpenFrom, RemoteFile, RemoteFolder
from serval.bundles.verification.verify_bundle import VerifiedBundle, verify_bundle
from serval.errors import BundleRefused
from serval.models.digests import digest_file
from serval.models.server_declaration import note_machines
from serval.models.version import BundleFile, ModelVersion
from serval.rollouts.documents import TargetFleet, VerifiedUpload
from serval.rollouts.outcomes import refuse_upload

LIMIT_BYTES = 50_000
"""Of the verified document, to which the steps after it add theirs."""
LIMIT_READ_BYTES = 32 * 2**30
"""What the function reads in half of its 15 minutes, at the 75 MB/s that Lambda keeps up."""
READS_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Verify:
    """Verifies uploads against what the stage has deployed."""

    open_from: OpenFrom
    deployment: Deployment
    memory_mib: int
    """Memory of this function."""

    def verify(self, upload: Upload, urls: Mapping[str, str]) -> dict[str, Any]:
        """Verify an upload where it lies: nothing of it is written to disk.

        Returns
        -------
        dict
            ``outcome``: ``refused`` with ``reasons``, or ``passed`` with what is ``verified``.

        Raises
        ------
        OSError, WrongSize
            If a file could not be read, which is no verdict.
        """
        failures: list[Exception] = []
        files = {
            file.path: RemoteFile(urls[file.path], file.source.size_bytes, self.open_from, failures)
            for file in upload.files
        }
        records = {
            each: RemoteFile(urls[each.url_name], each.size_bytes, self.open_from, failures)
            for each in upload.used
        }
        try:
            outcome = self._verify(upload, RemoteFolder(files), records)
        except BundleRefused as refusal:
            outcome = refuse_upload(refusal.reasons)
        if failures:
            raise failures[0]
        return outcome

    def _verify(
        self, upload: Upload, folder: RemoteFolder, records: Mapping[UsedVersion, RemoteFile]
    ) -> dict[str, Any]:
        self._check_limits(upload)
        manifest = match_digests(upload, folder)
        if is_pipeline(manifest.paths):
            bundle = self._verify_pipeline(folder, manifest, records)
        else:
            bundle = verify_bundle(folder, manifest, self.deployment)
        return {"outcome": "passed", "verified": describe_bundle(manifest, bundle)}

    def _verify_pipeline(
        self, folder: RemoteFolder, manifest: Manifest, records: Mapping[UsedVersion, RemoteFile]
    ) -> VerifiedBundle:
        called = {
            (each.model, each.version if each.pinned else None): ModelVersion.from_json(
                file.read_bytes().decode()
            )
            for each, file in records.items()
        }
        pipeline, signature = verify_pipeline(folder, manifest, self.deployment, called)
        return VerifiedBundle(pipeline, signature, ())

    def _check_limits(self, upload: Upload) -> None:
        """Refuse an upload whose checks take too much memory, or too long.

        Graphs go into memory, their external data do not. A graph is known by its name. One with
        another name ends this function if it is too large.
        """
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
        unchecked = sum(file.source.size_bytes for file in upload.files if not file.vouched)
        if unchecked > LIMIT_READ_BYTES:
            raise BundleRefused(
                [
                    f"{unchecked} bytes came without a digest that S3 has checked, and `verify` "
                    f"has the time to read {LIMIT_READ_BYTES}: upload with `serval push`, which "
                    "has S3 check every part"
                ]
            )


def match_digests(upload: Upload, folder: RemoteFolder) -> Manifest:
    """Return the manifest, for a bare artifact with its digest, or refuse files that differ.

    What S3 has checked is not read again.
    """
    with ThreadPoolExecutor(READS_AT_ONCE, "digest") as threads:
        found = list(threads.map(lambda file: _digest_of(file, folder), upload.files))
    files = [
        BundleFile(file.path, file.sha256 or digest, file.source.size_bytes)
        for file, digest in zip(upload.files, found, strict=True)
    ]
    checked = (digest_reason(file, digest) for file, digest in zip(files, found, strict=True))
    if reasons := [reason for reason in checked if reason is not None]:
        raise BundleRefused(reasons)
    return Manifest(upload.model, tuple(files))


def _digest_of(file: UploadedFile, folder: RemoteFolder) -> str:
    if file.vouched and file.sha256 is not None:
        return file.sha256
    with (folder / file.path).open() as opened:
        return digest_file(opened, like=file.sha256 or "")


def describe_rollout(bundle: VerifiedBundle) -> Mapping[str, Any]:
    """Write ``model.yaml`` with every default, and on how many machines a rollout takes place."""
    paired = bundle.fleet is not None and bundle.bundle.name in bundle.fleet.paired
    return note_machines(bundle.bundle.to_json(), paired=paired)


def describe_bundle(manifest: Manifest, bundle: VerifiedBundle) -> dict[str, Any]:
    """Write the verified document, or refuse a bundle for which it would be too large."""
    verified = VerifiedUpload(
        files=manifest.files,
        artifact=bundle.bundle.artifact,
        artifact_files=bundle.artifact_files,
        signature=bundle.signature,
        bundle=describe_rollout(bundle),
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
