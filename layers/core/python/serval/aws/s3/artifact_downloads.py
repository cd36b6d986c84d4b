"""Downloads of artifacts by workers: large files in parts at once, verified while they stream.

What is written stays in the system's page cache, from which an inference server then maps it.
"""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import BotoCoreError, ClientError
from s3transfer.exceptions import RetriesExceededError, S3DownloadFailedError

from serval.errors import ArtifactUnavailable
from serval.models.digests import combine_parts, cut_parts, is_in_parts
from serval.models.storage import version_prefix
from serval.models.version import ModelVersion

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PART_BYTES = 16 * 2**20
AT_ONCE = 16
"""Parts downloaded at once; a machine's network is faster than one connection to S3."""
BLOCK_BYTES = 2**20
TRIES = 4
"""Of each part, whose connection may break while its bytes come."""
THROTTLED = 429
BROKEN = 500


@dataclass(frozen=True, slots=True)
class VerifiedStream:
    """Hashes a file's bytes as they arrive; it cannot seek, so boto3 writes its parts in order."""

    file: IO[bytes]
    digest: Any = field(default_factory=hashlib.sha256)

    def write(self, data: bytes) -> int:
        """Write the next bytes."""
        self.digest.update(data)
        return self.file.write(data)


@dataclass(frozen=True, slots=True)
class S3ArtifactDownloads:
    """``ArtifactStore`` in S3; its client needs a connection for each part under way."""

    client: "S3Client"
    bucket: str
    part_bytes: int = PART_BYTES

    def fetch(self, record: ModelVersion, path: str, destination: Path) -> None:
        """Download one file of a version; it appears under its name only when it is whole.

        Raises
        ------
        ArtifactUnavailable
            If it is gone, cut short or not what was published.
        """
        key = version_prefix(record.model, record.version) + path
        partial = destination.with_name(destination.name + ".partial")
        expected = record.file(path)
        try:
            found = (
                self._download_parts(key, partial, expected.size_bytes)
                if is_in_parts(expected.sha256)
                else self._download(key, partial)
            )
        except (BotoCoreError, ClientError, RetriesExceededError, S3DownloadFailedError) as error:
            raise ArtifactUnavailable(
                record.model, record.version, f"{key}: {error}", lost=_is_refusal(error)
            ) from error
        if found != expected.sha256:
            raise ArtifactUnavailable(
                record.model,
                record.version,
                f"{key} has sha256 {found}, published was {expected.sha256}",
                lost=True,
            )
        partial.rename(destination)

    def _download(self, key: str, partial: Path) -> str:
        parts = TransferConfig(
            multipart_threshold=self.part_bytes,
            multipart_chunksize=self.part_bytes,
            max_concurrency=AT_ONCE,
        )
        with partial.open("wb") as file:
            verifying = VerifiedStream(file)
            self.client.download_fileobj(self.bucket, key, cast(Any, verifying), Config=parts)
        return str(verifying.digest.hexdigest())

    def _download_parts(self, key: str, partial: Path, size_bytes: int) -> str:
        """Download the parts by which the file is known, each to its place, and hash them."""
        with partial.open("wb") as file, ThreadPoolExecutor(AT_ONCE, "part") as threads:
            parts = threads.map(
                lambda part: self._download_part(key, file.fileno(), *part), cut_parts(size_bytes)
            )
            return combine_parts(parts)

    def _download_part(self, key: str, file: int, start: int, end: int) -> bytes:
        for _ in range(TRIES - 1):
            try:
                return self._read_part(key, file, start, end)
            except BotoCoreError:
                continue
        return self._read_part(key, file, start, end)

    def _read_part(self, key: str, file: int, start: int, end: int) -> bytes:
        asked = f"bytes={start}-{end - 1}"
        digest, at = hashlib.sha256(), start
        with self.client.get_object(Bucket=self.bucket, Key=key, Range=asked)["Body"] as body:
            while block := body.read(BLOCK_BYTES):
                digest.update(block)
                os.pwrite(file, block, at)
                at += len(block)
        return digest.digest()


def _is_refusal(error: Exception) -> bool:
    """Return whether S3 refused the download, so that trying again will not help."""
    if not isinstance(error, ClientError):
        return False
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return status < BROKEN and status != THROTTLED
