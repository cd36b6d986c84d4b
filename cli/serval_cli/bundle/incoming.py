"""The artifact bucket as uploads see it: what is there of them, and where the rest goes."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from serval.aws.s3.artifacts import S3Artifacts
from serval.models.storage import MANIFEST, upload_prefix

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


@dataclass(frozen=True, slots=True)
class PartThere:
    """A part that S3 has."""

    etag: str
    sha256: bytes


@dataclass(frozen=True, slots=True)
class IncomingBucket:
    """Uploads under ``incoming/``; S3 checks the sha256 of all that is sent."""

    client: "S3Client"
    name: str

    def find_unfinished(self, model: str, ending: str) -> str | None:
        """Return the newest upload of a model whose id ends so and that has no manifest.

        Who may not list the bucket has none.
        """
        try:
            begun = self._uploads_of(f"incoming/{model}/")
        except ClientError as error:
            if error.response["Error"]["Code"] != "AccessDenied":
                raise
            return None
        for upload in sorted((one for one in begun if one.endswith(ending)), reverse=True):
            if self._artifacts.find(upload_prefix(model, upload) + MANIFEST) is None:
                return upload
        return None

    def _uploads_of(self, above: str) -> set[str]:
        begun = {key.removeprefix(above).split("/")[0] for key in self.open_uploads(above)}
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.name, Prefix=above, Delimiter="/"
        )
        for page in pages:
            begun |= {one["Prefix"].split("/")[-2] for one in page.get("CommonPrefixes", ())}
        return begun

    def digest_of(self, key: str) -> str | None:
        """Return the digest that S3 keeps of an object; None if there is none."""
        found = self._artifacts.find(key)
        return None if found is None else found.digest

    def put(self, key: str, body: IO[bytes], sha256: bytes) -> None:
        """Store an object."""
        self.client.put_object(
            Bucket=self.name, Key=key, Body=body, ChecksumSHA256=base64.b64encode(sha256).decode()
        )

    def put_text(self, text: str, key: str) -> None:
        """Store a text as JSON."""
        self.client.put_object(
            Bucket=self.name, Key=key, Body=text.encode(), ContentType="application/json"
        )

    def open_uploads(self, prefix: str) -> dict[str, str]:
        """Return the ids of uploads in parts that are not complete, the newest of each key."""
        pages = self.client.get_paginator("list_multipart_uploads").paginate(
            Bucket=self.name, Prefix=prefix
        )
        found = [upload for page in pages for upload in page.get("Uploads", ())]
        found.sort(key=lambda upload: upload["Initiated"])
        return {upload["Key"]: upload["UploadId"] for upload in found}

    def begin_parts(self, key: str) -> str:
        """Begin an object in parts, and return the id of its upload."""
        begun = self.client.create_multipart_upload(
            Bucket=self.name, Key=key, ChecksumAlgorithm="SHA256", ChecksumType="COMPOSITE"
        )
        return begun["UploadId"]

    def parts_there(self, key: str, upload: str) -> dict[int, PartThere]:
        """Return the parts of an object that S3 has, by their numbers."""
        pages = self.client.get_paginator("list_parts").paginate(
            Bucket=self.name, Key=key, UploadId=upload
        )
        return {
            part["PartNumber"]: PartThere(
                part["ETag"], base64.b64decode(part.get("ChecksumSHA256", ""))
            )
            for page in pages
            for part in page.get("Parts", ())
        }

    def put_part(
        self, key: str, upload: str, number: int, body: IO[bytes], sha256: bytes
    ) -> PartThere:
        """Store a part of an object."""
        sent = self.client.upload_part(
            Bucket=self.name,
            Key=key,
            UploadId=upload,
            PartNumber=number,
            Body=body,
            ChecksumSHA256=base64.b64encode(sha256).decode(),
        )
        return PartThere(sent["ETag"], sha256)

    def complete(self, key: str, upload: str, parts: Mapping[int, PartThere]) -> None:
        """Make an object of its parts, unless somebody else has done so."""
        listed: list[Any] = [
            {
                "PartNumber": number,
                "ETag": part.etag,
                "ChecksumSHA256": base64.b64encode(part.sha256).decode(),
            }
            for number, part in sorted(parts.items())
        ]
        try:
            self.client.complete_multipart_upload(
                Bucket=self.name, Key=key, UploadId=upload, MultipartUpload={"Parts": listed}
            )
        except ClientError as error:
            gone = error.response["Error"]["Code"] == "NoSuchUpload"
            if not gone or self.digest_of(key) is None:
                raise

    @property
    def _artifacts(self) -> S3Artifacts:
        return S3Artifacts(self.client, self.name)
