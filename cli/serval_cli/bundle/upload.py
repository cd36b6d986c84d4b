"""Upload a bundle's files to ``incoming/``, several parts at once, the manifest last.

An upload is known by the digest of its bytes. One that broke off is continued by the next of the
same bytes, from any machine: S3 knows which parts it has, and by which sha256.
"""

import io
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from boto3.exceptions import S3UploadFailedError
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from serval.bundles.manifest import Manifest
from serval.clock import Clock, utc_now
from serval.models.storage import MANIFEST, upload_prefix
from serval_cli.bundle.checksums import FilePart, HashedFile
from serval_cli.bundle.incoming import IncomingBucket, PartThere
from serval_cli.failures import CommandFailed

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

Advance = Callable[[int], None]
TRANSFER = TransferConfig(multipart_threshold=16 * 2**20, multipart_chunksize=16 * 2**20)
AT_ONCE = 8
"""Parts sent at once; boto3's clients have ten connections."""
DIGEST_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Bucket:
    """Takes files of any prefix."""

    client: "S3Client"
    name: str

    def put_file(self, path: Path, key: str, advance: Advance) -> None:
        """Store a file, in parts if it is large."""
        try:
            self.client.upload_file(str(path), self.name, key, Callback=advance, Config=TRANSFER)
        except S3UploadFailedError as error:
            raise error.__context__ or error from None


class UploadStopped(Exception):
    """A part is not sent on, because another could not be sent or the user does not want it."""


class SentPart(io.RawIOBase):
    """A part of a file on its way: what is read of it is counted as sent, and can be sent again."""

    def __init__(
        self, folder: Path, part: FilePart, advance: Advance, stopping: threading.Event
    ) -> None:
        self._file = (folder / part.path).open("rb")
        if os.fstat(self._file.fileno()).st_size < part.start + part.size_bytes:
            self._file.close()
            raise changed_file(folder / part.path)
        self._start, self._size = part.start, part.size_bytes
        self._advance, self._stopping = advance, stopping
        self._at = 0

    def read(self, size: int = -1) -> bytes:
        """Read the next bytes of the part."""
        if self._stopping.is_set():
            raise UploadStopped
        left = self._size - self._at
        self._file.seek(self._start + self._at)
        found = self._file.read(left if size < 0 else min(size, left))
        self._at += len(found)
        self._advance(len(found))
        return found

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to another position; going back takes back what was counted."""
        begin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._advance(begin + offset - self._at)
        self._at = begin + offset
        return self._at

    def tell(self) -> int:
        """Return the position in the part."""
        return self._at

    def seekable(self) -> bool:
        """Return True."""
        return True

    def readable(self) -> bool:
        """Return True."""
        return True

    def close(self) -> None:
        """Close the file, too."""
        self._file.close()
        super().close()


@dataclass(frozen=True, slots=True)
class FileInParts:
    """A file that is sent in parts."""

    file: HashedFile
    key: str
    upload: str
    there: dict[int, PartThere]


@dataclass(slots=True)
class BundleUpload:
    """Sends what is not there yet."""

    folder: Path
    bucket: IncomingBucket
    advance: Advance
    stopping: threading.Event = field(default_factory=threading.Event)

    def send(self, manifest: Manifest, files: Sequence[HashedFile], clock: Clock = utc_now) -> str:
        """Send the files and then the manifest, whose arrival starts the rollout.

        Returns
        -------
        str
            The upload's id.
        """
        ending = f"-{manifest.digest[:DIGEST_DIGITS]}"
        begun = self.bucket.find_unfinished(manifest.model, ending)
        upload = begun or f"{new_upload_id(clock)}{ending}"
        prefix = upload_prefix(manifest.model, upload)
        if begun is not None:
            there = {file for file in files if self._is_there(prefix, file)}
            files = [file for file in files if file not in there]
            self.advance(sum(file.record.size_bytes for file in there))
        open_uploads = self.bucket.open_uploads(prefix) if begun else {}
        large = [file for file in files if len(file.parts) > 1]
        in_parts = [self._begin_parts(prefix + file.path, file, open_uploads) for file in large]
        with ThreadPoolExecutor(AT_ONCE, "send") as threads:
            sending = [
                threads.submit(self._send_whole, prefix + file.path, file)
                for file in files
                if len(file.parts) == 1
            ]
            sending += [
                threads.submit(self._send_part, one, number)
                for one in in_parts
                for number in range(1, len(one.file.parts) + 1)
                if number not in one.there
            ]
            self._await(sending)
        for one in in_parts:
            self.bucket.complete(one.key, one.upload, one.there)
        self.bucket.put_text(manifest.to_json(), prefix + MANIFEST)
        return upload

    def _is_there(self, prefix: str, file: HashedFile) -> bool:
        return self.bucket.digest_of(prefix + file.path) == file.record.sha256

    def _begin_parts(self, key: str, file: HashedFile, begun: Mapping[str, str]) -> FileInParts:
        """Begin a file, or find what is there of it."""
        if (upload := begun.get(key)) is None:
            return FileInParts(file, key, self.bucket.begin_parts(key), {})
        wanted = dict(enumerate(file.sha256s, start=1))
        found = self.bucket.parts_there(key, upload)
        there = {n: part for n, part in found.items() if part.sha256 == wanted.get(n)}
        self.advance(sum(file.parts[number - 1].size_bytes for number in there))
        return FileInParts(file, key, upload, there)

    def _await(self, sending: Sequence[Future[None]]) -> None:
        """Wait until all is sent; after a failure or Ctrl-C, stop what is under way."""
        try:
            done, _ = wait(sending, return_when=FIRST_EXCEPTION)
            for one in done:
                one.result()
        except BaseException:
            self.stopping.set()
            for one in sending:
                one.cancel()
            raise

    def _send_whole(self, key: str, file: HashedFile) -> None:
        with self._open(file.parts[0]) as body:
            self.bucket.put(key, body, file.sha256s[0])

    def _send_part(self, one: FileInParts, number: int) -> None:
        with self._open(one.file.parts[number - 1]) as body:
            sha256 = one.file.sha256s[number - 1]
            one.there[number] = self.bucket.put_part(one.key, one.upload, number, body, sha256)

    @contextmanager
    def _open(self, part: FilePart) -> Iterator[IO[bytes]]:
        """Open a part; S3's answer that its bytes have another digest is about the file."""
        with SentPart(self.folder, part, self.advance, self.stopping) as body:
            try:
                yield cast(IO[bytes], body)
            except ClientError as error:
                if error.response["Error"]["Code"] != "BadDigest":
                    raise
                raise changed_file(self.folder / part.path) from error


def changed_file(path: Path) -> CommandFailed:
    """Make the failure of a file that is not what was hashed."""
    return CommandFailed(
        f"{path} has changed since it was hashed: push it again once nothing writes to it"
    )


def new_upload_id(clock: Clock = utc_now) -> str:
    """Make a unique id that sorts by time."""
    return f"{clock().astimezone(UTC):%Y%m%dT%H%M%SZ}-{os.urandom(3).hex()}"
