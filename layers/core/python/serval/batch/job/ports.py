"""Ports of batch jobs: buckets, jobs table and state machine, which ``serval.aws`` implements."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from serval.batch.job.job import BatchJob, OutputPiece, ShardRecord
from serval.batch.job.keys import Address, Part, Source


class Sink(Protocol):
    """Takes the bytes of one object in order."""

    def write(self, data: bytes) -> None:
        """Take more bytes."""

    def close(self) -> None:
        """Complete the object, which appears whole."""

    def abort(self) -> None:
        """Discard the object."""


class BatchObjects(Protocol):
    """The buckets that a job reads and writes; every method may be called from many threads."""

    def find(self, address: Address, version_id: str | None = None) -> Source | None:
        """Return an object, or None; without a version id its newest version.

        Raises
        ------
        BatchRefused
            If this stage may not read the bucket.
        """

    def list(self, prefix: Address) -> Iterator[Source]:
        """List the objects under a prefix, in the order of their keys.

        Raises
        ------
        BatchRefused
            If this stage may not list the bucket, or the bucket does not exist.
        """

    def read(self, source: Source, start: int, end: int, piece_bytes: int) -> Iterator[bytes]:
        """Stream the bytes from ``start`` up to ``end``, as they were when the object was found.

        Raises
        ------
        BatchRefused
            If the object is gone, or has changed since.
        """

    def get(self, address: Address) -> bytes | None:
        """Read a small object; None if it does not exist."""

    def put(self, address: Address, body: bytes) -> None:
        """Write a small object."""

    def claim(self, address: Address, body: bytes, instead_of: bytes | None = None) -> bytes:
        """Write an object unless one exists, or replace one; return the object that is there.

        Of several concurrent claims one succeeds.
        """

    def sink(self, address: Address) -> "PieceSink":
        """Write an object as its bytes arrive; it appears whole, or not at all."""

    def join(self, address: Address, parts: Sequence[Part]) -> None:
        """Make one object of parts, in order; it appears whole, or not at all."""

    def read_piece(self, bucket: str, piece: OutputPiece, start: int, end: int) -> bytes:
        """Read bytes of an object that a shard has written, in the version that it recorded."""

    def delete(self, addresses: Sequence[Address]) -> None:
        """Delete objects; missing ones are ignored."""


class PieceSink(Sink, Protocol):
    """A sink that describes the object it has written."""

    def piece(self) -> OutputPiece | None:
        """Describe the object once it is closed; None if nothing was written."""


class JobStore(Protocol):
    """The jobs table; reads of a row see every earlier write."""

    def create(self, job: BatchJob) -> bool:
        """Write a new row; return False, and write nothing, if the id is taken."""

    def find(self, job_id: str) -> BatchJob | None:
        """Return a row, or None."""

    def save(self, before: BatchJob, after: BatchJob) -> bool:
        """Write what changed, with the next revision, if the row still has that of ``before``.

        Returns
        -------
        bool
            False if another writer was first; then nothing is written.
        """

    def of_model(self, model: str, limit: int) -> Sequence[BatchJob]:
        """List a model's jobs, newest first."""

    def shard(self, job_id: str, index: int) -> ShardRecord | None:
        """Return a shard's record; None if the shard has not begun."""

    def shards(self, job_id: str) -> Iterator[ShardRecord]:
        """List the records of shards that have begun, in order."""

    def record(self, record: ShardRecord) -> bool:
        """Write a shard's record; return False, and write nothing, if it was already done."""


class Executions(Protocol):
    """The state machine of batch jobs."""

    def start(self, name: str, job_id: str) -> None:
        """Start an execution for a job whose row exists; once for each name."""

    def stop(self, owner: str) -> None:
        """Stop an execution and everything it has started; a finished one is left alone."""


Announce = Callable[[BatchJob], None]
"""Publishes that a job has changed."""
