"""Buckets in memory, with S3's rules: what batch jobs read and write."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import lru_cache
from hashlib import md5

from serval.batch.assemble.join import LEAST_BYTES, MOST_PARTS
from serval.batch.job.job import OutputPiece
from serval.batch.job.keys import Address, Part, Source
from serval.clock import timestamp
from serval.errors import BatchRefused
from tests.fakes.registration import Crashes
from tests.fakes.requests import START


@lru_cache(maxsize=64)
def etag_of(body: bytes) -> str:
    """Give S3's ETag; a reader asks for it with each range, so it is kept."""
    return md5(body).hexdigest()


@dataclass
class InMemoryObjects:
    """``Objects`` with S3's rules: versions, conditions, sizes of parts."""

    crashes: Crashes = field(default_factory=Crashes)
    buckets: dict[str, dict[str, list[bytes | None]]] = field(default_factory=dict)
    open_sinks: int = 0
    versions_listed: bool = True
    """Whether objects are found with their versions."""

    def upload(self, text: str, body: bytes) -> Source:
        """Put what a user puts, without a crash."""
        bucket, _, key = text.removeprefix("s3://").partition("/")
        self._versions(Address(bucket, key)).append(body)
        found = self.find(Address(bucket, key))
        assert found is not None
        return found

    def body(self, text: str) -> bytes:
        """Give what stands at an address."""
        bucket, _, key = text.removeprefix("s3://").partition("/")
        found = self.get(Address(bucket, key))
        assert found is not None, f"{text} is not there"
        return found

    def under(self, prefix: str) -> list[str]:
        """Name what is under a prefix."""
        bucket, _, key = prefix.removeprefix("s3://").partition("/")
        return [source.key[len(key) :] for source in self.list(Address(bucket, key))]

    def find(self, address: Address, version_id: str | None = None) -> Source | None:
        versions = self.buckets.get(address.bucket, {}).get(address.key, [])
        at = int(version_id[1:]) if version_id else len(versions)
        if not 0 < at <= len(versions) or (body := versions[at - 1]) is None:
            return None
        version = f"v{at}" if self.versions_listed else None
        return Source(
            address.bucket, address.key, len(body), etag_of(body), version,
            timestamp(START + timedelta(seconds=at)),
        )  # fmt: skip

    def list(self, prefix: Address) -> Iterator[Source]:
        if prefix.bucket not in self.buckets:
            raise BatchRefused(f"{prefix}: there is no such bucket")
        for key in sorted(self.buckets[prefix.bucket], key=str.encode):
            found = self.find(Address(prefix.bucket, key))
            if key.startswith(prefix.key) and found is not None:
                yield replace(found, version_id=None)

    def read(self, source: Source, start: int, end: int, piece_bytes: int) -> Iterator[bytes]:
        found = self.find(source.address, source.version_id)
        if found is None:
            raise BatchRefused(f"{source.address} is gone since the job was planned")
        if source.version_id is None and found.etag != source.etag:
            raise BatchRefused(f"{source.address} was changed since the job was planned")
        body = self._versions(source.address)[int((found.version_id or "v0")[1:]) - 1]
        assert body is not None
        for at in range(start, end, piece_bytes):
            yield body[at : min(at + piece_bytes, end)]

    def get(self, address: Address) -> bytes | None:
        versions = self.buckets.get(address.bucket, {}).get(address.key)
        return versions[-1] if versions else None

    def put(self, address: Address, body: bytes) -> None:
        self._write(f"put {address.key}", address, body)

    def claim(self, address: Address, body: bytes, instead_of: bytes | None = None) -> bytes:
        there = self.get(address)
        if there == instead_of:
            self._write(f"claim {address.key}", address, body)
            return body
        assert there is not None
        return there

    def sink(self, address: Address) -> "InMemorySink":
        self.open_sinks += 1
        return InMemorySink(self, address)

    def join(self, address: Address, parts: Sequence[Part]) -> None:
        assert len(parts) <= MOST_PARTS
        assert all(part.size_bytes >= LEAST_BYTES for part in parts[:-1]), "a part is too small"
        body = b"".join(self._part(address.bucket, part) for part in parts)
        self._write(f"join {address.key}", address, body)

    def read_piece(self, bucket: str, piece: OutputPiece, start: int, end: int) -> bytes:
        versions = self._versions(Address(bucket, piece.key))
        body = versions[int(piece.version_id[1:]) - 1 if piece.version_id else -1]
        assert body is not None
        return body[start:end]

    def delete(self, addresses: Sequence[Address]) -> None:
        for address in addresses:
            self.crashes.before(f"delete {address.key}")
            self._versions(address).append(None)
            self.crashes.done()

    def _part(self, bucket: str, part: Part) -> bytes:
        found = b""
        for each in part.ranges:
            if each.piece is None:
                found += each.body[each.start : each.end]
            else:
                if part.copied and each.size_bytes < each.piece.size_bytes:
                    assert each.piece.size_bytes > LEAST_BYTES, "a range of a small object"
                found += self.read_piece(bucket, each.piece, each.start, each.end)
        assert len(found) == part.size_bytes
        return found

    def _versions(self, address: Address) -> "list[bytes | None]":
        return self.buckets.setdefault(address.bucket, {}).setdefault(address.key, [])

    def _write(self, call: str, address: Address, body: bytes) -> str:
        self.crashes.before(call)
        versions = self._versions(address)
        versions.append(bytes(body))
        self.crashes.done()
        return f"v{len(versions)}"


@dataclass
class InMemorySink:
    """``PieceSink``: its object appears when it is closed."""

    objects: InMemoryObjects
    address: Address
    held: bytearray = field(default_factory=bytearray)
    version: str | None = None

    def write(self, data: bytes) -> None:
        self.held += data

    def close(self) -> None:
        self.objects.open_sinks -= 1
        if self.held:
            call = f"close {self.address.key}"
            self.version = self.objects._write(call, self.address, bytes(self.held))

    def abort(self) -> None:
        self.objects.open_sinks -= 1

    def piece(self) -> OutputPiece | None:
        return OutputPiece(self.address.key, len(self.held), self.version) if self.held else None
