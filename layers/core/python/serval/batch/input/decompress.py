"""Decompression of a stream of bytes."""

import bz2
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

from serval.batch.input.find import (
    GZIP,
    HEAD_BYTES,
    SHOWN_BYTES,
    FoundCompression,
    compression_by_content,
    show_bytes,
)
from serval.errors import BatchRefused
from serval.foreign import refusing

GZIP_WINDOW = 31
"""zlib's largest window, with header and checksum of gzip."""
ZSTD_FED_BYTES = 2_048
"""At most 64 MiB come from these, since a block of 4 bytes expands to up to 128 KiB."""
ZSTD_REASONS = {
    "too much memory": "it was compressed with a window of over 128 MiB (--long): compress it anew",
    "Dictionary": "it was compressed with a dictionary, which is not known here",
}


def decompress(
    pieces: Iterable[bytes], compression: FoundCompression, piece_bytes: int
) -> Iterator[bytes]:
    """Decompress a file, in pieces of about ``piece_bytes`` at most.

    Raises
    ------
    BatchRefused
        If it is damaged, truncated or compressed in another way.
    """
    if compression == "none":
        return iter(pieces)
    read = {"gzip": _gunzip, "zstd": _unzstd, "bz2": _unbz2}[compression]
    return read(_check_start(pieces, compression), piece_bytes)


def text_head(head: bytes, compression: FoundCompression) -> bytes:
    """Return the start of a file's text, as far as its first bytes contain it."""
    text = b""
    with suppress(BatchRefused):
        for piece in decompress([head], compression, HEAD_BYTES):
            text += piece
            if len(text) >= HEAD_BYTES:
                break
    return text


def _check_start(pieces: Iterable[bytes], compression: FoundCompression) -> Iterator[bytes]:
    """Check the compression by the first bytes, and yield all pieces."""
    rest, head = iter(pieces), b""
    for piece in rest:
        head += piece
        if len(head) >= SHOWN_BYTES:
            break
    found = compression_by_content(head)
    if found != compression and len(head) >= SHOWN_BYTES:
        how = "is not compressed" if found == "none" else f"is compressed with {found}"
        raise BatchRefused(f"it {how}, and begins with {show_bytes(head)}: {compression} expected")
    yield head
    yield from rest


def _gunzip(pieces: Iterable[bytes], piece_bytes: int) -> Iterator[bytes]:
    """Decompress one gzip member after another, since files may have been concatenated."""
    member = zlib.decompressobj(GZIP_WINDOW)
    begun = behind = False
    for piece in pieces:
        # Zeros pad the last block of a tape, or of an object store.
        data = piece.lstrip(b"\0") if behind and not begun else piece
        while data:
            if behind and not begun and data[:1] != GZIP[:1]:
                raise BatchRefused(f"behind its gzip stand other bytes: {show_bytes(data)}")
            begun = True
            with refusing(lambda said: BatchRefused(f"its gzip is damaged: {said}")):
                out = member.decompress(data, piece_bytes)
            if out:
                yield out
            data = member.unconsumed_tail
            if member.eof:
                data = member.unused_data.lstrip(b"\0")
                member, begun, behind = zlib.decompressobj(GZIP_WINDOW), False, True
    if begun:
        raise BatchRefused("its gzip is cut short: it ends before its checksum")


def _unbz2(pieces: Iterable[bytes], piece_bytes: int) -> Iterator[bytes]:
    """Decompress one stream after another."""
    stream, begun = bz2.BZ2Decompressor(), False
    for piece in pieces:
        data = piece
        while data or not (stream.eof or stream.needs_input):
            begun = True
            with refusing(lambda said: BatchRefused(f"its bz2 is damaged: {said}")):
                out = stream.decompress(data, piece_bytes)
            if out:
                yield out
            data = b""
            if stream.eof:
                data = stream.unused_data
                stream, begun = bz2.BZ2Decompressor(), False
    if begun:
        raise BatchRefused("its bz2 is cut short: it ends in the middle of a stream")


def _unzstd(pieces: Iterable[bytes], piece_bytes: int) -> Iterator[bytes]:
    """Decompress one frame after another, in small slices: zstd does not limit its output."""
    # Imported here because functions that only name inputs have no layer with it.
    import zstandard

    frames: Callable[[], Any] = zstandard.ZstdDecompressor().decompressobj
    frame, begun = frames(), False
    out = bytearray()
    for data in _slices(pieces):
        rest = data
        while rest:
            begun = True
            with refusing(_zstd_refusal):
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


def _zstd_refusal(said: str) -> BatchRefused:
    for part, reason in ZSTD_REASONS.items():
        if part in said:
            return BatchRefused(reason)
    return BatchRefused(f"its zstd is damaged: {said}")


def _slices(pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        for start in range(0, len(piece), ZSTD_FED_BYTES):
            yield piece[start : start + ZSTD_FED_BYTES]
