"""The files of an input and their kind, before anything reads their records."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from serval.batch.input.kinds import (
    HEAD_BYTES,
    Kind,
    Unpack,
    detect_kind,
    named_compression,
    named_format,
    skip_compressed,
)
from serval.batch.job.keys import OPTIONS_SUFFIX, Address
from serval.batch.job.options import JobOptions
from serval.batch.job.ports import BatchObjects, Source
from serval.errors import BatchRefused
from serval.models.signature import Signature

MOST_FILES = 500_000
IGNORED_BEGINNINGS = (".", "_")
TABLES = {"_delta_log": "Delta Lake", ".hoodie": "Hudi"}
"""Folders that mark the folder they are in as a table of this kind."""


@dataclass(frozen=True, slots=True)
class Finder:
    """Finds the files of inputs."""

    objects: BatchObjects
    unpack: Unpack = skip_compressed

    def find(self, addresses: Sequence[Address], version_id: str | None = None) -> list[Source]:
        """Find the files, in the order of the addresses and, under a prefix, of the keys.

        Raises
        ------
        BatchRefused
            If there are no files, or one that was named does not exist.
        """
        found: list[Source] = []
        for address in addresses:
            found += self._under(address) if address.is_prefix else [self._one(address, version_id)]
            if len(found) > MOST_FILES:
                raise BatchRefused(f"input: over {MOST_FILES} files; put several into one")
        return found

    def first(self, addresses: Sequence[Address], version_id: str | None = None) -> list[Source]:
        """Find each file that is named, and the first one under each prefix.

        Raises
        ------
        BatchRefused
            If there is none.
        """
        return [
            next(self._under(address, 1)) if address.is_prefix else self._one(address, version_id)
            for address in addresses
        ]

    def kind(self, sources: Sequence[Source], options: JobOptions, signature: Signature) -> Kind:
        """Return the kind of the files, detected from the first one.

        Raises
        ------
        BatchRefused
            If it cannot be detected, or another file has another kind by its name.
        """
        first = sources[0]
        kind = detect_kind(first, self.head(first), options, signature.inputs, self.unpack)
        if options.format == "auto":
            for source in sources:
                if named_format(source.key) != named_format(first.key):
                    raise BatchRefused(
                        f"input: {first.address} and {source.address} are of two kinds; say "
                        "'format' if they are not"
                    )
        if options.compression == "auto" and kind.format in ("csv", "jsonl"):
            _check_compression(sources)
        return kind

    def head(self, source: Source) -> bytes:
        """Return the first bytes of a file."""
        end = min(HEAD_BYTES, source.size_bytes)
        return b"".join(self.objects.read(source, 0, end, HEAD_BYTES))

    def _under(self, prefix: Address, most: int = MOST_FILES + 1) -> Iterator[Source]:
        listed = _refuse_tables(self.objects.list(prefix), prefix)
        files = (source for source in listed if _is_input(source, prefix))
        found = list(islice(files, most))
        if not found:
            raise BatchRefused(f"input: there are no files under {prefix}")
        return iter(found)

    def _one(self, address: Address, version_id: str | None) -> Source:
        source = self.objects.find(address, version_id)
        if source is None:
            under = Address(address.bucket, f"{address.key}/")
            if next(iter(self.objects.list(under)), None) is not None:
                raise BatchRefused(f"input: {address} is a prefix: write it as {under}")
            raise BatchRefused(f"input: {address} does not exist")
        if not source.size_bytes:
            raise BatchRefused(f"input: {address} is empty")
        return source


def _check_compression(sources: Sequence[Source]) -> None:
    """Refuse files whose names indicate another compression than that of the first."""
    first = sources[0]
    for source in sources:
        if named_compression(source.key) != named_compression(first.key):
            raise BatchRefused(
                f"input: {first.address} and {source.address} are compressed in two ways; make a "
                "job of each, or say 'compression' if they are not"
            )


def _refuse_tables(sources: Iterable[Source], prefix: Address) -> Iterator[Source]:
    """Refuse the folder of a table format, whose files contain more or less than its rows."""
    for source in sources:
        path = source.key[len(prefix.key) :].split("/")
        table = next((kind for part, kind in TABLES.items() if part in path[:-1]), None)
        if path[-2:-1] == ["metadata"] and path[-1].endswith(".metadata.json"):
            table = "Iceberg"
        if table is not None:
            raise BatchRefused(
                f"input: {source.address} makes {prefix} a table of {table}: its files hold rows "
                "that were deleted or replaced; write what it holds as Parquet files, and name them"
            )
        yield source


def _is_input(source: Source, prefix: Address) -> bool:
    """Return whether an object is input: not hidden, not options, not empty."""
    path = source.key[len(prefix.key) :]
    hidden = any(part.startswith(IGNORED_BEGINNINGS) for part in path.split("/"))
    return not hidden and source.size_bytes > 0 and not source.key.endswith(OPTIONS_SUFFIX)
