"""Objects of S3 that are written as a stream."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from serval.batch.job.job import OutputPiece
from serval.batch.job.keys import Address

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PART_BYTES = 8 * 2**20
PARTS_BEFORE_LARGER = 1_000
"""After so many parts the size doubles, since an object has 10,000 at most."""


@dataclass(slots=True)
class ObjectSink:
    """Uploads large objects in parts, small ones at once, and empty ones not at all."""

    client: "S3Client"
    address: Address
    part_bytes: int = PART_BYTES
    _held: list[bytes] = field(default_factory=list)
    _held_bytes: int = 0
    _size: int = 0
    _tags: list[str] = field(default_factory=list)
    _upload: str | None = None
    _version: str | None = None

    def write(self, data: bytes) -> None:
        """Write more bytes."""
        if not data:
            return
        self._held.append(data)
        self._held_bytes += len(data)
        self._size += len(data)
        if self._held_bytes >= self.part_bytes << len(self._tags) // PARTS_BEFORE_LARGER:
            self._send()

    def close(self) -> None:
        """Complete the object, which appears only now."""
        if not self._size:
            return
        if self._upload is None:
            answer: Any = self.client.put_object(**self._place, Body=b"".join(self._held))
        else:
            if self._held_bytes:
                self._send()
            numbered: Any = [
                {"PartNumber": n, "ETag": tag} for n, tag in enumerate(self._tags, start=1)
            ]
            answer = self.client.complete_multipart_upload(
                **self._place, UploadId=self._upload, MultipartUpload={"Parts": numbered}
            )
        self._held = []
        self._version = answer.get("VersionId")

    def abort(self) -> None:
        """Discard everything that was written."""
        self._held = []
        if self._upload is not None:
            self.client.abort_multipart_upload(**self._place, UploadId=self._upload)

    def piece(self) -> OutputPiece | None:
        """Describe the object once it is closed; None if nothing was written to it."""
        return OutputPiece(self.address.key, self._size, self._version) if self._size else None

    @property
    def _place(self) -> Any:
        return {"Bucket": self.address.bucket, "Key": self.address.key}

    def _send(self) -> None:
        if self._upload is None:
            self._upload = self.client.create_multipart_upload(**self._place)["UploadId"]
        answer = self.client.upload_part(
            **self._place,
            UploadId=self._upload,
            PartNumber=len(self._tags) + 1,
            Body=b"".join(self._held),
        )
        self._tags.append(answer["ETag"])
        self._held, self._held_bytes = [], 0
