"""Cut debug information and symbol tables, which no loader reads, from a shared object.

The loader follows only the program headers, so a file may end where its last segment ends. Unlike
``strip``, this needs no binutils for the other architecture.
"""

import os
import struct
from pathlib import Path

WORTH_CUTTING = 100_000
"""Bytes; below this a file is left unchanged."""

MAGIC_64_BIT_LITTLE_ENDIAN = b"\x7fELF\x02\x01"
HEADER = struct.Struct("<16xHHIQQQIHHHHHH")
SEGMENT = struct.Struct("<8xQ16xQ16x")


def cut_what_is_not_loaded(file: Path) -> None:
    """Shorten a shared object in place; leave any other file alone."""
    content = file.read_bytes()
    if not content.startswith(MAGIC_64_BIT_LITTLE_ENDIAN):
        return
    end = end_of_segments(content)
    if len(content) - end < WORTH_CUTTING:
        return
    fields = list(HEADER.unpack_from(content))
    fields[5] = 0  # offset of the section headers
    fields[11] = fields[12] = 0  # their number, and which of them holds names
    with file.open("r+b") as shortened:
        shortened.write(content[:16] + HEADER.pack(*fields)[16:])
        os.ftruncate(shortened.fileno(), end)


def end_of_segments(content: bytes) -> int:
    """Return the offset just past the last byte of the segments and the program headers."""
    *_, table, _, _, _, entry_size, entries, _, _, _ = HEADER.unpack_from(content)
    headers = content[table : table + entry_size * entries]
    segments = (offset + size for offset, size in SEGMENT.iter_unpack(headers))
    end: int = max(table + len(headers), *segments)
    return end
