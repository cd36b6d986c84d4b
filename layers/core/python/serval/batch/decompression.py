"""Bytes out of compressed ones, while they come."""

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import zstandard

from serval.batch.detection import FoundCompression
from serval.errors import BatchRefused
from serval.foreign import refusing

GZIP_WINDOW = 31
"""zlib's largest window, and the header and the checksum of gzip around it."""
ZSTD_FED_BYTES = 2_048
"""64 MiB may come of these at most, since a block of 4 bytes stands for up to 128 KiB."""


def decompressed(
    pieces: Iterable[bytes], compression: FoundCompression, piece_bytes: int
) -> Iterator[bytes]:
    """Give what was compressed, in pieces of about ``piece_bytes`` at most.

    Raises
    ------
    BatchRefused
        If it is damaged or cut short.
    """
    if compression == "none":
        return iter(pieces)
    return (
        _gunzipped(pieces, piece_bytes) if compression == "gzip" else _unzstd(pieces, piece_bytes)
    )


def _gunzipped(pieces: Iterable[bytes], piece_bytes: int) -> Iterator[bytes]:
    """Read one gzip member after another: several files may have been put together."""
    member = zlib.decompressobj(GZIP_WINDOW)
    begun = False
    for piece in pieces:
        data = piece
        while data:
            begun = True
            with refusing(lambda said: BatchRefused(f"its gzip is damaged: {said}")):
                out = member.decompress(data, piece_bytes)
            if out:
                yield out
            data = member.unconsumed_tail
            if member.eof:
                data = member.unused_data
                member, begun = zlib.decompressobj(GZIP_WINDOW), False
    if begun:
        raise BatchRefused("its gzip is cut short: it ends before its checksum")


def _unzstd(pieces: Iterable[bytes], piece_bytes: int) -> Iterator[bytes]:
    """Read one frame after another, little by little: zstd has no limit to what comes of a byte."""
    frames: Callable[[], Any] = zstandard.ZstdDecompressor().decompressobj
    frame, begun = frames(), False
    out = bytearray()
    for data in _slices(pieces):
        rest = data
        while rest:
            begun = True
            with refusing(lambda said: BatchRefused(f"its zstd is damaged: {said}")):
                out += frame.decompress(rest)
            rest = frame.unused_data if frame.eof else b""
            if frame.eof:
                frame, begun = frames(), False
        while len(out) >= piece_bytes:
            yield bytes(out[:piece_bytes])
            del out[:piece_bytes]
    if begun:
        raise BatchRefused("its zstd is cut short: it ends in the middle of a frame")
    if out:
        yield bytes(out)


def _slices(pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        for start in range(0, len(piece), ZSTD_FED_BYTES):
            yield piece[start : start + ZSTD_FED_BYTES]
