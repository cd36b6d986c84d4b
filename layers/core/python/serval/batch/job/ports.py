"""What batch jobs need of AWS; ``serval.aws`` keeps it in DynamoDB, S3 and Step Functions.

Where bytes go that make one object.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from serval.batch.job.job import BatchJob, Piece, ShardRecord
from serval.batch.job.keys import Address
from serval.errors import RegistryUnavailable


class Sink(Protocol):
    """Takes the bytes of one object in order."""

    def write(self, data: bytes) -> None:
        """Take more bytes."""

    def close(self) -> None:
        """Make the object appear, whole."""

    def abort(self) -> None:
        """Leave nothing behind."""


CHANGE_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class Source:
    """One object of the input, as it was when the job was planned."""

    bucket: str
    key: str
    size_bytes: int
    etag: str
    version_id: str | None = None
    """None: only the ETag pins it, as of an object that was found in a listing."""
    modified: str = ""
    """UTC, ISO 8601."""

    @property
    def address(self) -> Address:
        """Give its address."""
        return Address(self.bucket, self.key)

    def to_json(self) -> dict[str, Any]:
        """Give the source as one step hands it to the next."""
        return {
            "bucket": self.bucket,
            "key": self.key,
            "size": self.size_bytes,
            "etag": self.etag,
            "version": self.version_id,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Source":
        """Read what ``to_json`` gave."""
        return cls(value["bucket"], value["key"], value["size"], value["etag"], value["version"])


class BatchObjects(Protocol):
    """The buckets that a job reads and writes; every method may be called from many threads."""

    def find(self, address: Address, version_id: str | None = None) -> Source | None:
        """Look an object up (None: its newest version); None if there is none.

        Raises
        ------
        BatchRefused
            If this stage may not read the bucket.
        """

    def list(self, prefix: Address) -> Iterator[Source]:
        """List what lies under a prefix, in the order of the keys.

        Raises
        ------
        BatchRefused
            If this stage may not list the bucket, or there is no such bucket.
        """

    def read(self, source: Source, start: int, end: int, piece_bytes: int) -> Iterator[bytes]:
        """Stream the bytes from ``start`` up to ``end``, as they were when it was found.

        Raises
        ------
        BatchRefused
            If it is gone, or was changed since.
        """

    def get(self, address: Address) -> bytes | None:
        """Read a small object; None if there is none."""

    def put(self, address: Address, body: bytes) -> None:
        """Write a small object."""

    def claim(self, address: Address, body: bytes, instead_of: bytes | None = None) -> bytes:
        """Write an object unless there is one, or only in the place of one; give what stands there.

        Of several that claim at once one succeeds.
        """

    def sink(self, address: Address) -> "PieceSink":
        """Write an object while its bytes come; it appears whole, or not at all."""

    def join(self, address: Address, parts: Sequence["Part"]) -> None:
        """Make one object of parts, in order; it appears whole, or not at all."""

    def read_piece(self, bucket: str, piece: Piece, start: int, end: int) -> bytes:
        """Read bytes of what a shard has written, of the version that it recorded."""

    def delete(self, addresses: Sequence[Address]) -> None:
        """Delete objects; those that are gone are left alone."""


class PieceSink(Sink, Protocol):
    """A sink that says what it has written."""

    def piece(self) -> Piece | None:
        """Describe the object once it is closed; None if nothing was written to it."""


@dataclass(frozen=True, slots=True)
class Range:
    """Bytes of an object that a shard has written, or bytes that are known."""

    piece: Piece | None
    start: int
    end: int
    body: bytes = b""
    """Where there is no piece."""

    @property
    def size_bytes(self) -> int:
        """Give how many bytes they are."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a joined object: S3 copies it, if it is one range of an object; else we do."""

    ranges: tuple[Range, ...]
    copied: bool

    @property
    def size_bytes(self) -> int:
        """Give how many bytes it has."""
        return sum(each.size_bytes for each in self.ranges)


class JobStore(Protocol):
    """The jobs table; reads of a row see every write made before them."""

    def create(self, job: BatchJob) -> bool:
        """Write a new row; False when the id is taken, and nothing is written then."""

    def find(self, job_id: str) -> BatchJob | None:
        """Give a row; None if there is none."""

    def save(self, before: BatchJob, after: BatchJob) -> bool:
        """Write what changed, with the next revision, if the row still has ``before``'s.

        Returns
        -------
        bool
            False when another writer was first; nothing is written then.
        """

    def of_model(self, model: str, limit: int) -> Sequence[BatchJob]:
        """List a model's jobs, newest first."""

    def shard(self, job_id: str, index: int) -> ShardRecord | None:
        """Give what a shard has done; None if it has not begun."""

    def shards(self, job_id: str) -> Iterator[ShardRecord]:
        """List the shards that have begun, in order."""

    def record(self, record: ShardRecord) -> bool:
        """Write what a shard has done; False when it was done before, and nothing is written."""


class Executions(Protocol):
    """The state machine of batch jobs."""

    def start(self, name: str, job_id: str) -> None:
        """Start an execution for a job whose row is there; once for each name."""

    def stop(self, owner: str) -> None:
        """Stop an execution with everything that it has begun; one that has ended is left alone."""


Announce = Callable[[BatchJob], None]
"""Tells whoever wants to hear of it that a job has changed."""


def change(store: JobStore, job: BatchJob, transition: Callable[[BatchJob], BatchJob]) -> BatchJob:
    """Apply a transition to the row as it is now, whoever else changes it meanwhile.

    Raises
    ------
    RegistryUnavailable
        If other writers were first twenty times in a row, or the row is gone.
    """
    current: BatchJob | None = job
    for _ in range(CHANGE_ATTEMPTS):
        if current is None:
            raise RegistryUnavailable(f"batch job {job.id!r} is gone from the jobs table")
        after = transition(current)
        if after == current:
            return current
        if store.save(current, after):
            return replace(after, revision=current.revision + 1)
        current = store.find(job.id)
    raise RegistryUnavailable(f"batch job {job.id!r}: {CHANGE_ATTEMPTS} changes met another writer")
