"""The data bucket: inference requests that do not fit a row, and results."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from serval.requests.ports import StoredPayload

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PRESIGNED_SECONDS = 3600
"""At most: a URL also expires with the session of the role that signed it."""
JSON, BINARY = "application/json", "application/octet-stream"
GONE = frozenset({"404", "NoSuchKey"})
EMPTY = "InvalidRange"
"""What S3 answers to a range of an empty object."""


@dataclass(frozen=True, slots=True)
class DataBucket:
    """``Payloads`` in S3; the client needs ``PRESIGNING`` of ``serval.aws.s3.artifacts``."""

    client: "S3Client"
    bucket: str

    def put(self, key: str, body: bytes) -> None:
        """Write an object."""
        self.client.put_object(Bucket=self.bucket, Key=key, Body=body)

    def get(self, key: str) -> bytes | None:
        """Read an object; None if there is none."""
        try:
            answer = self.client.get_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] in GONE:
                return None
            raise
        with answer["Body"] as body:
            return body.read()

    def beginning(self, key: str, size_bytes: int) -> bytes:
        """Read an object's first bytes, fewer if it has fewer."""
        wanted = f"bytes=0-{size_bytes - 1}"
        try:
            answer = self.client.get_object(Bucket=self.bucket, Key=key, Range=wanted)
        except ClientError as error:
            if error.response["Error"]["Code"] == EMPTY:
                return b""
            raise
        with answer["Body"] as body:
            return body.read()

    def find(self, key: str) -> StoredPayload | None:
        """Look an object up; None if there is none."""
        try:
            head = self.client.head_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] in GONE:
                return None
            raise
        return StoredPayload(key, head["ContentLength"], head["ETag"].strip('"'))

    def renew(self, key: str) -> bool:
        """Restart an object's lifetime; return False if it is gone."""
        try:
            self.client.copy_object(
                Bucket=self.bucket,
                Key=key,
                CopySource={"Bucket": self.bucket, "Key": key},
                # S3 copies an object to itself only if something of it is replaced.
                MetadataDirective="REPLACE",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in GONE:
                return False
            raise
        return True

    def presign_read(self, key: str, header_length: int | None) -> str:
        """Presign a URL that reads a payload, as its content type, for up to an hour."""
        return self.client.generate_presigned_url(
            "get_object",
            Params={
                "Bucket": self.bucket,
                "Key": key,
                "ResponseContentType": JSON if header_length is None else BINARY,
            },
            ExpiresIn=PRESIGNED_SECONDS,
        )

    def presign_write(self, key: str, size_bytes: int) -> str:
        """Presign a URL that writes an object of exactly this size, for up to an hour."""
        return self.client.generate_presigned_url(
            "put_object",
            Params={"Bucket": self.bucket, "Key": key, "ContentLength": size_bytes},
            ExpiresIn=PRESIGNED_SECONDS,
        )
