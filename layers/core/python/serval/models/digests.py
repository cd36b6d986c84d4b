"""The digest by which a file of a bundle is known: sha256 of its bytes, or of its parts' digests.

A file of several parts is known by the sha256 of its parts' sha256s and their number, as
``<64 hex digits>-<parts>``: the composite checksum that S3 keeps of an object uploaded in such
parts (https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html).
So parts are hashed, sent and fetched at once, each by itself, and S3 can vouch for the whole. The
plain sha256 of all bytes is a digest too, of a file of any size.
"""

import hashlib
import re
from collections.abc import Iterable
from typing import IO

PART_BYTES = 64 * 2**20
"""Bytes of each part but the last; S3 takes 10,000 parts."""
DIGEST = re.compile(r"([0-9a-f]{64})(?:-([1-9][0-9]{0,4}))?")
BLOCK_BYTES = 2**20


def is_in_parts(digest: str) -> bool:
    """Return whether a digest is that of a file's parts."""
    return "-" in digest


def cut_parts(size_bytes: int) -> list[tuple[int, int]]:
    """Return where each part of a file begins and ends."""
    starts = range(0, size_bytes, PART_BYTES)
    return [(start, min(start + PART_BYTES, size_bytes)) for start in starts]


def combine_parts(digests: Iterable[bytes]) -> str:
    """Return the digest of a file from the sha256s of its parts, in order."""
    parts = list(digests)
    return f"{hashlib.sha256(b''.join(parts)).hexdigest()}-{len(parts)}"


def digest_file(file: IO[bytes], like: str = "") -> str:
    """Compute the digest of a file from where it stands, of the same kind as ``like``."""
    running = RunningDigest(like)
    while block := file.read(BLOCK_BYTES):
        running.update(block)
    return running.digest()


class RunningDigest:
    """Computes the digest of bytes that come in order, of the same kind as ``like``."""

    def __init__(self, like: str = "") -> None:
        self._in_parts = is_in_parts(like)
        self._whole_parts: list[bytes] = []
        self._current, self._left = hashlib.sha256(), PART_BYTES

    def update(self, data: bytes) -> None:
        """Add the next bytes."""
        if not self._in_parts:
            self._current.update(data)
            return
        view = memoryview(data)
        while view:
            if self._left == 0:
                self._whole_parts.append(self._current.digest())
                self._current, self._left = hashlib.sha256(), PART_BYTES
            piece = view[: self._left]
            self._current.update(piece)
            self._left -= len(piece)
            view = view[len(piece) :]

    def digest(self) -> str:
        """Return the digest of all bytes so far."""
        if not self._in_parts:
            return self._current.hexdigest()
        return combine_parts([*self._whole_parts, self._current.digest()])
