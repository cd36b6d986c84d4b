"""Kind of a file, its format and its compression: by options, first bytes and name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from serval.batch.job.options import JobOptions
from serval.batch.job.ports import Source
from serval.errors import BatchRefused
from serval.models.signature import TensorSpec

FoundFormat = Literal["csv", "jsonl", "parquet", "objects"]
FoundCompression = Literal["none", "gzip", "zstd", "bz2"]
GZIP, ZSTD, BZ2 = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh"
SKIPPED = bytes(range(0x50, 0x60)), b"\x2a\x4d\x18"
"""Start of a zstd frame without data, as pzstd writes it: one of 16 bytes, then these."""
HEAD_BYTES = 262_144
"""Bytes read of a file to detect its kind and the size of its records."""
SHOWN_BYTES = 4


@dataclass(frozen=True, slots=True)
class Kind:
    """How the files of a job are read."""

    format: FoundFormat
    compression: FoundCompression = "none"


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
Unpack = Callable[[bytes, FoundCompression], bytes]


def skip_compressed(head: bytes, compression: FoundCompression) -> bytes:
    """Return nothing of a compressed file; a later step decompresses it."""
    return head if compression == "none" else b""


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
        begin = head if head.startswith(PARQUET) else unpack(head, compression)
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
