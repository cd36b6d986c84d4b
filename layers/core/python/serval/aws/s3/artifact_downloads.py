"""Downloads of artifacts by workers: large files in parts at once, verified while they stream."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import BotoCoreError, ClientError
from s3transfer.exceptions import RetriesExceededError, S3DownloadFailedError

from serval.errors import ArtifactUnavailable
from serval.models.storage import version_prefix
from serval.models.version import ModelVersion

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PART_BYTES = 16 * 2**20
AT_ONCE = 10
"""Parts downloaded at once; a machine's network is faster than one connection to S3."""
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
        try:
            found = self._download(key, partial)
        except (BotoCoreError, ClientError, RetriesExceededError, S3DownloadFailedError) as error:
            raise ArtifactUnavailable(
                record.model, record.version, f"{key}: {error}", lost=_is_refusal(error)
            ) from error
        if found != record.file(path).sha256:
            raise ArtifactUnavailable(
                record.model,
                record.version,
                f"{key} has sha256 {found}, published was {record.file(path).sha256}",
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


def _is_refusal(error: Exception) -> bool:
    """Return whether S3 refused the download, so that trying again will not help."""
    if not isinstance(error, ClientError):
        return False
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return status < BROKEN and status != THROTTLED
