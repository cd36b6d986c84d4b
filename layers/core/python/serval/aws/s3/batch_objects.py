"""Inputs and outputs of batch jobs in S3."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from serval.aws.s3.data_bucket import PRESIGNED_SECONDS
from serval.aws.s3.object_sinks import ObjectSink
from serval.batch.job.job import OutputPiece
from serval.batch.job.keys import Address, Part, Range, Source
from serval.clock import timestamp
from serval.errors import BatchRefused

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

AT_ONCE = 16
CONNECTIONS = Config(max_pool_connections=3 * AT_ONCE, retries={"mode": "standard"})
"""For the client, since shards read, write and fetch objects at once."""
READ_ATTEMPTS = 5
"""Attempts without a byte in between before a stream fails."""
DELETED_AT_ONCE = 1000
GONE = frozenset({"404", "NoSuchKey", "NoSuchVersion", "NoSuchBucket"})
DENIED = frozenset({"403", "AccessDenied", "AllAccessDisabled", "PermanentRedirect", "301"})
CHANGED = frozenset({"412", "PreconditionFailed"})
TAKEN = frozenset({"412", "PreconditionFailed", "409", "ConditionalRequestConflict"})


@dataclass(frozen=True, slots=True)
class S3Objects:
    """``Objects`` in S3; its client has ``CONNECTIONS``."""

    client: "S3Client"

    def find(self, address: Address, version_id: str | None = None) -> Source | None:
        """Find a version of an object, by default the newest; None if there is none."""
        pinned: dict[str, Any] = {"VersionId": version_id} if version_id else {}
        try:
            head = self.client.head_object(Bucket=address.bucket, Key=address.key, **pinned)
        except ClientError as error:
            if error_code(error) in GONE:
                return None
            raise translate_error(error, address) from error
        return Source(
            address.bucket,
            address.key,
            head["ContentLength"],
            head["ETag"],
            head.get("VersionId"),
            timestamp(head["LastModified"]),
        )

    def list(self, prefix: Address) -> Iterator[Source]:
        """List the objects under a prefix, in the order of the keys."""
        pages = self.client.get_paginator("list_objects_v2")
        try:
            for page in pages.paginate(Bucket=prefix.bucket, Prefix=prefix.key):
                for found in page.get("Contents", []):
                    yield Source(prefix.bucket, found["Key"], found["Size"], found["ETag"])
        except ClientError as error:
            raise translate_error(error, prefix) from error

    def read(self, source: Source, start: int, end: int, piece_bytes: int) -> Iterator[bytes]:
        """Stream bytes, resuming where a connection breaks."""
        failures = 0
        while start < end:
            try:
                for piece in self._stream(source, start, end, piece_bytes):
                    start += len(piece)
                    failures = 0
                    yield piece
                if start < end:
                    raise BatchRefused(f"{source.address} ends at byte {start}: it was changed")
            except BotoCoreError:
                failures += 1
                if failures == READ_ATTEMPTS:
                    raise

    def get(self, address: Address) -> bytes | None:
        """Read a small object; None if there is none."""
        try:
            answer = self.client.get_object(Bucket=address.bucket, Key=address.key)
        except ClientError as error:
            if error_code(error) in GONE:
                return None
            raise translate_error(error, address) from error
        with answer["Body"] as body:
            return body.read()

    def presign(self, address: Address) -> str:
        """Presign a URL that reads an object for up to an hour; the client needs ``PRESIGNING``."""
        return self.client.generate_presigned_url(
            "get_object",
            Params={"Bucket": address.bucket, "Key": address.key},
            ExpiresIn=PRESIGNED_SECONDS,
        )

    def put(self, address: Address, body: bytes) -> None:
        """Write a small object."""
        try:
            self.client.put_object(Bucket=address.bucket, Key=address.key, Body=body)
        except ClientError as error:
            raise translate_error(error, address) from error

    def claim(self, address: Address, body: bytes, instead_of: bytes | None = None) -> bytes:
        """Write an object if there is none, or in place of a given one; return the result."""
        condition: dict[str, Any] = {"IfNoneMatch": "*"}
        if instead_of is not None:
            found = self.client.get_object(Bucket=address.bucket, Key=address.key)
            with found["Body"] as there:
                if (current := there.read()) != instead_of:
                    return current
            condition = {"IfMatch": found["ETag"]}
        try:
            self.client.put_object(Bucket=address.bucket, Key=address.key, Body=body, **condition)
        except ClientError as error:
            if error_code(error) not in TAKEN:
                raise translate_error(error, address) from error
            return self.get(address) or b""
        return body

    def sink(self, address: Address) -> ObjectSink:
        """Open an object for writing; it appears whole, or not at all."""
        return ObjectSink(self.client, address)

    def join(self, address: Address, parts: Sequence[Part]) -> None:
        """Join parts into one object, in order; it appears whole, or not at all."""
        if len(parts) <= 1 and not any(part.copied for part in parts):
            body = b"".join(self._body(address.bucket, part) for part in parts)
            self.client.put_object(Bucket=address.bucket, Key=address.key, Body=body)
            return
        target: dict[str, Any] = {"Bucket": address.bucket, "Key": address.key}
        target["UploadId"] = self.client.create_multipart_upload(**target)["UploadId"]
        try:
            with ThreadPoolExecutor(AT_ONCE) as pool:
                tags = list(
                    pool.map(lambda each: self._part(target, *each), enumerate(parts, start=1))
                )
            numbered: Any = [{"PartNumber": n, "ETag": tag} for n, tag in enumerate(tags, start=1)]
            self.client.complete_multipart_upload(**target, MultipartUpload={"Parts": numbered})
        except BaseException:
            self.client.abort_multipart_upload(**target)
            raise

    def read_piece(self, bucket: str, piece: OutputPiece, start: int, end: int) -> bytes:
        """Read bytes of a piece, in the version that its shard recorded."""
        if start >= end:
            return b""
        answer = self.client.get_object(
            **object_version(bucket, piece), Range=byte_range(start, end)
        )
        return b"".join(bytes_of(answer, start, end, piece.size_bytes))

    def delete(self, addresses: Sequence[Address]) -> None:
        """Delete objects, ignoring those that are gone."""
        for first in range(0, len(addresses), DELETED_AT_ONCE):
            some = addresses[first : first + DELETED_AT_ONCE]
            self.client.delete_objects(
                Bucket=some[0].bucket,
                Delete={"Objects": [{"Key": address.key} for address in some], "Quiet": True},
            )

    def _stream(self, source: Source, start: int, end: int, piece_bytes: int) -> Iterator[bytes]:
        """Stream bytes of the object if it is unchanged, else of the version that was planned."""
        try:
            answer = self._open(source, start, end, {"IfMatch": source.etag})
        except ClientError as error:
            if error_code(error) not in GONE | CHANGED:
                raise translate_error(error, source.address) from error
            if source.version_id is None:
                what = "is gone" if error_code(error) in GONE else "was changed"
                raise BatchRefused(f"{source.address} {what} since the job was planned") from None
            answer = self._read_pinned(source, start, end)
        yield from bytes_of(answer, start, end, piece_bytes)

    def _read_pinned(self, source: Source, start: int, end: int) -> Any:
        try:
            return self._open(source, start, end, {"VersionId": source.version_id})
        except ClientError as error:
            if error_code(error) in GONE:
                raise BatchRefused(f"{source.address} is gone since the job was planned") from None
            raise translate_error(error, source.address) from error

    def _open(self, source: Source, start: int, end: int, pinned: dict[str, Any]) -> Any:
        return self.client.get_object(
            Bucket=source.bucket, Key=source.key, Range=byte_range(start, end), **pinned
        )

    def _part(self, target: dict[str, Any], number: int, part: Part) -> str:
        """Upload or copy one part; return its tag."""
        if not part.copied:
            body = self._body(target["Bucket"], part)
            return self.client.upload_part(**target, PartNumber=number, Body=body)["ETag"]
        (copied,) = part.ranges
        assert copied.piece is not None
        part_of: dict[str, Any] = {}
        if copied.size_bytes < copied.piece.size_bytes:
            part_of["CopySourceRange"] = byte_range(copied.start, copied.end)
        answer = self.client.upload_part_copy(
            **target,
            PartNumber=number,
            CopySource=object_version(target["Bucket"], copied.piece),
            **part_of,
        )
        return answer["CopyPartResult"]["ETag"]

    def _body(self, bucket: str, part: Part) -> bytes:
        return b"".join(self._bytes(bucket, each) for each in part.ranges)

    def _bytes(self, bucket: str, found: Range) -> bytes:
        if found.piece is None:
            return found.body[found.start : found.end]
        return self.read_piece(bucket, found.piece, found.start, found.end)


def byte_range(start: int, end: int) -> str:
    """Format a range of bytes as HTTP does."""
    return f"bytes={start}-{end - 1}"


def bytes_of(answer: Any, start: int, end: int, piece_bytes: int) -> Iterator[bytes]:
    """Yield the bytes of a range, even if the server answered with the whole object."""
    at = start if "ContentRange" in answer else 0
    with answer["Body"] as body:
        while at < end and (piece := body.read(piece_bytes)):
            kept = piece[max(0, start - at) : end - at]
            at += len(piece)
            if kept:
                yield kept


def object_version(bucket: str, piece: OutputPiece) -> Any:
    """Return the arguments that name a written object in its recorded version."""
    pinned = {"VersionId": piece.version_id} if piece.version_id else {}
    return {"Bucket": bucket, "Key": piece.key, **pinned}


def error_code(error: ClientError) -> str:
    """Return the error's code."""
    return str(error.response["Error"]["Code"])


def translate_error(error: ClientError, address: Address) -> Exception:
    """Return ``BatchRefused`` for an error that only the user can mend, else the error."""
    if error_code(error) == "NoSuchBucket":
        return BatchRefused(f"{address}: there is no such bucket")
    if error_code(error) in DENIED:
        return BatchRefused(
            f"{address}: this stage may not touch it, or it does not exist: inputs and outputs "
            "outside of the stage's data bucket need a grant (docs/batch.md)"
        )
    return error
