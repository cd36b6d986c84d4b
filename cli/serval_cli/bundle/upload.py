"""Upload a bundle's files to ``incoming/``, the manifest last."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from boto3.exceptions import S3UploadFailedError
from boto3.s3.transfer import TransferConfig

from serval.bundles.manifest import Manifest
from serval.clock import Clock, utc_now
from serval.models.storage import MANIFEST, upload_prefix

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

Advance = Callable[[int], None]
TRANSFER = TransferConfig(multipart_threshold=16 * 2**20, multipart_chunksize=16 * 2**20)


class IncomingFiles(Protocol):
    """Where uploads go."""

    def put_file(self, path: Path, key: str, advance: Advance) -> None:
        """Store a file, calling ``advance`` with the number of bytes sent."""

    def put_text(self, text: str, key: str) -> None:
        """Store a text."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """``IncomingFiles`` in the artifact bucket."""

    client: "S3Client"
    name: str

    def put_file(self, path: Path, key: str, advance: Advance) -> None:
        """Store a file, in parts if it is large."""
        try:
            self.client.upload_file(str(path), self.name, key, Callback=advance, Config=TRANSFER)
        except S3UploadFailedError as error:
            raise error.__context__ or error from None

    def put_text(self, text: str, key: str) -> None:
        """Store a text as JSON."""
        self.client.put_object(
            Bucket=self.name, Key=key, Body=text.encode(), ContentType="application/json"
        )


def new_upload_id(clock: Clock = utc_now) -> str:
    """Make a unique id that sorts by time."""
    return f"{clock().astimezone(UTC):%Y%m%dT%H%M%SZ}-{os.urandom(3).hex()}"


def upload(
    folder: Path, manifest: Manifest, upload_id: str, incoming: IncomingFiles, advance: Advance
) -> None:
    """Upload every file, then the manifest, whose arrival starts the rollout."""
    prefix = upload_prefix(manifest.model, upload_id)
    for file in manifest.files:
        incoming.put_file(folder / file.path, prefix + file.path, advance)
    incoming.put_text(manifest.to_json(), prefix + MANIFEST)
