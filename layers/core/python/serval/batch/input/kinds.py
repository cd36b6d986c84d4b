"""Kind of a file: its format and its compression."""

from dataclasses import dataclass
from typing import Literal

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


def shown_bytes(head: bytes) -> str:
    """Show the first bytes of a file."""
    return head[:SHOWN_BYTES].hex(" ") or "none at all"
