"""Messages of AWS's event streams.

Specification: "Event stream encoding", Amazon Transcribe Developer Guide, and Smithy's
``application/vnd.amazon.eventstream``.
"""

import struct
import zlib
from collections.abc import Mapping

EVENT_STREAM = "application/vnd.amazon.eventstream"
TEXT = 7
"""The type of a header whose value is text."""
PRELUDE_BYTES, CHECKSUM_BYTES = 12, 4


def write_message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """Write a message: its lengths, headers and payload, each behind a checksum."""
    head = b"".join(_write_header(name, value) for name, value in headers.items())
    length = PRELUDE_BYTES + len(head) + len(payload) + CHECKSUM_BYTES
    lengths = struct.pack(">II", length, len(head))
    message = lengths + struct.pack(">I", zlib.crc32(lengths)) + head + payload
    return message + struct.pack(">I", zlib.crc32(message))


def _write_header(name: str, value: str) -> bytes:
    named, valued = name.encode(), value.encode()
    return struct.pack(
        f">B{len(named)}sBH{len(valued)}s", len(named), named, TEXT, len(valued), valued
    )
