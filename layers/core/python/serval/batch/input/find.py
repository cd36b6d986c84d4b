"""The files of an input, and their kind: by options, first bytes and name."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from serval.batch.job.keys import OPTIONS_SUFFIX, Address, Source
from serval.batch.job.options import JobOptions
from serval.batch.job.ports import BatchObjects
from serval.errors import BatchRefused
from serval.models.signature import Signature, TensorSpec

FoundFormat = Literal["csv", "jsonl", "parquet", "objects"]
FoundCompression = Literal["none", "gzip", "zstd", "bz2"]
GZIP, ZSTD, BZ2 = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh"
SKIPPED = bytes(range(0x50, 0x60)), b"\x2a\x4d\x18"
"""Start of a zstd frame without data, as pzstd writes it: one of 16 bytes, then these."""
HEAD_BYTES = 262_144
"""Bytes read of a file to detect its kind and the size of its records."""
SHOWN_BYTES = 4
MOST_FILES = 500_000
IGNORED_BEGINNINGS = (".", "_")
TABLES = {"_delta_log": "Delta Lake", ".hoodie": "Hudi"}
"""Folders that mark the folder they are in as a table of this kind."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How the files of a job are read."""

    format: FoundFormat
    compression: FoundCompression = "none"


Unpack = Callable[[bytes, FoundCompression], bytes]


def skip_compressed(head: bytes, compression: FoundCompression) -> bytes:
    """Return nothing of a compressed file; a later step decompresses it."""
    return b""


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


def compression_by_content(head: bytes) -> FoundCompression:
    """Return how a file is compressed, by its first bytes."""
    if head.startswith(GZIP):
        return "gzip"
    if head.startswith(ZSTD) or (head[:1] in SKIPPED[0] and head[1:4] == SKIPPED[1]):
        return "zstd"
    return "bz2" if head.startswith(BZ2) and head[3:4].isdigit() else "none"


def show_bytes(head: bytes) -> str:
    """Show the first bytes of a file."""
    return head[:SHOWN_BYTES].hex(" ") or "none at all"


EXTENSIONS: dict[FoundFormat, tuple[str, ...]] = {
    "csv": ("csv", "tsv", "txt"),
    "jsonl": ("jsonl", "ndjson", "json"),
    "parquet": ("parquet", "pq"),
    "objects": (
        *("jpg", "jpeg", "png", "gif", "bmp", "webp", "tif", "tiff"),
        *("wav", "mp3", "flac", "ogg", "m4a", "mp4", "webm", "pdf", "npy", "bin"),
    ),
}
FORMAT_OF = {each: found for found, extensions in EXTENSIONS.items() for each in extensions}
COMPRESSION_OF: dict[str, FoundCompression] = {
    **{"gz": "gzip", "gzip": "gzip"},
    **{"zst": "zstd", "zstd": "zstd"},
    **{"bz2": "bz2", "bzip2": "bz2"},
}
PARQUET = b"PAR1"


def detect_kind(
    source: Source,
    head: bytes,
    options: JobOptions,
    inputs: Sequence[TensorSpec],
    unpack: Unpack = skip_compressed,
) -> Kind:
    """Detect a file's kind: as chosen, else by its first bytes, else by its name.

    Parameters
    ----------
    unpack
        Returns the start of a compressed file's text.

    Raises
    ------
    BatchRefused
        If the kind is unknown, or the file is compressed where that is not possible.
    """
    compression = compression_of(source, head, options)
    if options.format != "auto":
        found: FoundFormat = options.format
    else:
        plain = compression == "none" or head.startswith(PARQUET)
        begin = head if plain else unpack(head, compression)
        found = _format(source, begin, compression, inputs)
    if found in ("parquet", "objects") and compression != "none":
        if options.compression == "auto" and found == "objects":
            return Kind("objects")
        raise BatchRefused(
            f"{source.address}: {found} compressed with {compression}: only CSV and JSONL may be"
        )
    return Kind(found, compression)


def compression_of(source: Source, head: bytes, options: JobOptions) -> FoundCompression:
    """Return how a file is compressed: as chosen, else by its first bytes."""
    if options.compression != "auto":
        return options.compression
    found = compression_by_content(head)
    named = named_compression(source.key)
    if named is not None and found == "none":
        raise BatchRefused(
            f"{source.address}: it is called {named}, and begins with bytes {show_bytes(head)}: "
            "it was not compressed, or is damaged"
        )
    return found


def named_compression(key: str) -> FoundCompression | None:
    """Return the compression that a file's name indicates; None if it indicates none."""
    return COMPRESSION_OF.get(_extensions(key)[-1])


def _format(
    source: Source, head: bytes, compression: FoundCompression, inputs: Sequence[TensorSpec]
) -> FoundFormat:
    named = named_format(source.key)
    if head.startswith(PARQUET) or (named == "parquet" and compression != "none"):
        return "parquet"
    if named == "parquet":
        raise BatchRefused(
            f"{source.address}: it is called Parquet, and begins with bytes {show_bytes(head)}, "
            "not with PAR1"
        )
    if named == "objects" and not takes_objects(inputs):
        raise BatchRefused(
            f"{source.address}: objects go to a model with one input of datatype BYTES, or UINT8 "
            f"of shape [-1, -1]; this one takes {_list_inputs(inputs)}"
        )
    if named is not None:
        return named
    if b"\0" in head and not head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise BatchRefused(
            f"{source.address}: no CSV, JSONL or Parquet: it begins with bytes "
            f"{show_bytes(head)}; say 'format' if it is"
        )
    if "." in source.key.rpartition("/")[2] and compression == "none":
        extension = _extensions(source.key)[-1]
        raise BatchRefused(
            f"{source.address}: type {extension!r} is not known: csv, tsv, jsonl, ndjson and "
            "parquet are, and csv and jsonl with .gz, .zst or .bz2 behind; or say 'format'"
        )
    return "jsonl" if head.lstrip()[:1] in (b"{", b"[") else "csv"


def named_format(key: str) -> FoundFormat | None:
    """Return the format that a file's name indicates; None if it indicates none."""
    for extension in reversed(_extensions(key)):
        if extension in COMPRESSION_OF:
            continue
        return FORMAT_OF.get(extension)
    return None


def takes_objects(inputs: Sequence[TensorSpec]) -> bool:
    """Return whether a model takes whole objects: one input with bytes of any length for a row."""
    if len(inputs) != 1:
        return False
    (spec,) = inputs
    if spec.datatype == "BYTES":
        return spec.shape in ((-1,), (-1, 1))
    return spec.datatype == "UINT8" and spec.shape == (-1, -1)


def _extensions(key: str) -> list[str]:
    return key.rpartition("/")[2].lower().split(".")[1:] or [""]


def _list_inputs(inputs: Sequence[TensorSpec]) -> str:
    return ", ".join(f"{spec.name!r} {spec.datatype} {list(spec.shape)}" for spec in inputs)


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
