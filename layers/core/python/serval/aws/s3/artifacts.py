"""The artifact bucket: reads pinned to one version of an object, writes that overwrite nothing."""

import base64
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import ClientError

from serval.bundles.uploads import StoredObject
from serval.models.version import BundleFile

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef, HeadObjectOutputTypeDef

COPY_LIMIT_BYTES = 512 * 2**20
"""Larger objects are copied in parts; CopyObject takes up to 5 GiB, and its time."""
COPY_PART_BYTES = 256 * 2**20
COPIES_AT_ONCE = 32
COPYING = Config(max_pool_connections=COPIES_AT_ONCE, retries={"mode": "standard"})
"""For clients that publish."""
PRESIGNED_SECONDS = 1_800
"""As long as two runs of ``verify``."""
PRESIGNING = Config(signature_version="s3v4", s3={"addressing_style": "virtual"})
"""For clients that presign. By default URLs name the endpoint of us-east-1, which redirects new
buckets of other regions to a host that the signature does not cover."""


class PublishedFileDiffers(Exception):
    """Another writer has published this file of the version with other bytes."""

    def __init__(self, key: str, sha256: str) -> None:
        super().__init__(f"{key} is there already and is not the file with sha256 {sha256}")
        self.key, self.sha256 = key, sha256


@dataclass(frozen=True, slots=True)
class S3Artifacts:
    """``IncomingArtifacts`` and ``PublishedArtifacts`` in S3."""

    client: "S3Client"
    bucket: str
    copy_limit_bytes: int = COPY_LIMIT_BYTES
    part_bytes: int = COPY_PART_BYTES

    def find(self, key: str, version_id: str | None = None) -> StoredObject | None:
        """Find a version of an object, by default the newest; None if there is none."""
        head = self._head(key, version_id)
        if head is None:
            return None
        return StoredObject(
            key,
            head.get("VersionId", "null"),
            head["ContentLength"],
            _read_checksum(head.get("ChecksumSHA256")),
        )

    def read(self, found: StoredObject) -> bytes:
        """Read an object."""
        with self.client.get_object(**self._pin(found))["Body"] as body:
            return body.read()

    def presign(self, found: StoredObject) -> str:
        """Presign a URL that reads an object for half an hour."""
        return self.client.generate_presigned_url(
            "get_object", Params=self._pin(found), ExpiresIn=PRESIGNED_SECONDS
        )

    def download(self, found: StoredObject, target: Path) -> None:
        """Write an object's bytes to a file."""
        with (
            self.client.get_object(**self._pin(found))["Body"] as body,
            target.open("wb") as out,
        ):
            shutil.copyfileobj(body, out, 2**20)

    def stage(self, path: Path, key: str) -> None:
        """Upload a file, in parts if it is large, replacing any before it."""
        self.client.upload_file(str(path), self.bucket, key)

    def write(self, key: str, text: str) -> None:
        """Write an object, replacing any before it."""
        self.client.put_object(
            Bucket=self.bucket, Key=key, Body=text.encode(), ContentType="application/json"
        )

    def publish(self, source: StoredObject, file: BundleFile, key: str) -> None:
        """Copy one version of an object to ``key``, or check that it is there already."""
        if self._is_there(file, key):
            return
        copy = self._copy if source.size_bytes <= self.copy_limit_bytes else self._copy_in_parts
        try:
            copy(source, file, key)
        except ClientError as error:
            if error.response["Error"]["Code"] != "PreconditionFailed":
                raise
            self._is_there(file, key)

    def _copy(self, source: StoredObject, file: BundleFile, key: str) -> None:
        self.client.copy_object(
            Bucket=self.bucket,
            Key=key,
            CopySource=self._pin(source),
            IfNoneMatch="*",
            Metadata={"sha256": file.sha256},
            MetadataDirective="REPLACE",
        )

    def _copy_in_parts(self, source: StoredObject, file: BundleFile, key: str) -> None:
        target: dict[str, Any] = {"Bucket": self.bucket, "Key": key}
        upload = self.client.create_multipart_upload(**target, Metadata={"sha256": file.sha256})
        target["UploadId"] = upload["UploadId"]
        try:
            with ThreadPoolExecutor(COPIES_AT_ONCE, "copy") as threads:
                ranges = enumerate(self._ranges(source.size_bytes), start=1)
                parts = list(threads.map(lambda one: self._copy_part(target, source, one), ranges))
            self.client.complete_multipart_upload(
                **target, MultipartUpload={"Parts": parts}, IfNoneMatch="*"
            )
        except ClientError:
            self.client.abort_multipart_upload(**target)
            raise

    def _copy_part(
        self, target: dict[str, Any], source: StoredObject, part: tuple[int, tuple[int, int]]
    ) -> "CompletedPartTypeDef":
        number, (first, last) = part
        copied = self.client.upload_part_copy(
            **target,
            PartNumber=number,
            CopySource=self._pin(source),
            CopySourceRange=f"bytes={first}-{last}",
        )
        return {"PartNumber": number, "ETag": copied["CopyPartResult"]["ETag"]}

    def _is_there(self, file: BundleFile, key: str) -> bool:
        """Return whether the file is published already, or raise ``PublishedFileDiffers``."""
        head = self._head(key)
        if head is None:
            return False
        same = head["Metadata"].get("sha256") == file.sha256
        if not same or head["ContentLength"] != file.size_bytes:
            raise PublishedFileDiffers(key, file.sha256)
        return True

    def _head(self, key: str, version_id: str | None = None) -> "HeadObjectOutputTypeDef | None":
        pinned: dict[str, Any] = {"VersionId": version_id} if version_id else {}
        try:
            return self.client.head_object(
                Bucket=self.bucket, Key=key, ChecksumMode="ENABLED", **pinned
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in {"404", "NoSuchKey", "NoSuchVersion"}:
                return None
            raise

    def _ranges(self, size_bytes: int) -> Iterator[tuple[int, int]]:
        for first in range(0, size_bytes, self.part_bytes):
            yield first, min(first + self.part_bytes, size_bytes) - 1

    def _pin(self, found: StoredObject) -> Any:
        return {"Bucket": self.bucket, "Key": found.key, "VersionId": found.version_id}


def _read_checksum(checksum: str | None) -> str | None:
    """Read a checksum of S3, base64 and perhaps a number of parts, as a file's digest."""
    if checksum is None:
        return None
    encoded, dash, parts = checksum.partition("-")
    return base64.b64decode(encoded).hex() + dash + parts
