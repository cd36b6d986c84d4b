"""How parts become one object: which ranges S3 copies, and which are read and uploaded again.

S3 makes an object of up to 10,000 parts, all but the last at least 5 MiB. A range of an object that
large is copied by S3. Smaller neighbours are uploaded together until they are large enough, with
the start of the next large one if need be.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from serval.batch.job.ports import Part, Range

LEAST_BYTES = 5 * 2**20
"""Of every part but the last."""
MOST_BYTES = 5 * 2**30
"""Of a part."""
MOST_PARTS = 10_000


@dataclass(slots=True)
class _Gathered:
    """Neighbours that wait until they are large enough for a part."""

    least: int
    ranges: list[Range] = field(default_factory=list)
    size_bytes: int = 0

    def add(self, part: Range) -> None:
        self.ranges.append(part)
        self.size_bytes += part.size_bytes

    def take(self) -> Part:
        part = Part(tuple(self.ranges), copied=False)
        self.ranges, self.size_bytes = [], 0
        return part


def parts_of(
    ranges: Sequence[Range], least: int = LEAST_BYTES, most: int = MOST_BYTES
) -> list[Part]:
    """Plan the parts that make up all ranges, in order."""
    return list(_parts(ranges, least, most))


def _parts(ranges: Sequence[Range], least: int, most: int) -> Iterator[Part]:
    waiting = _Gathered(least)
    for each in ranges:
        rest = each
        if waiting.size_bytes and rest.size_bytes:
            first, rest = split(rest, least - waiting.size_bytes)
            waiting.add(first)
        if waiting.size_bytes >= least:
            yield waiting.take()
        if rest.piece is not None and rest.size_bytes >= least:
            yield from _copies(rest, most)
        elif rest.size_bytes:
            waiting.add(rest)
            if waiting.size_bytes >= least:
                yield waiting.take()
    if waiting.size_bytes:
        yield waiting.take()


def _copies(whole: Range, most: int) -> Iterator[Part]:
    """Copy a range, in equal pieces if it is too large for one part."""
    pieces = math.ceil(whole.size_bytes / most)
    each = math.ceil(whole.size_bytes / pieces)
    rest = whole
    while rest.size_bytes:
        first, rest = split(rest, each)
        yield Part((first,), copied=True)


def split(whole: Range, size: int) -> tuple[Range, Range]:
    """Split a range in two; the second may be empty."""
    at = min(whole.start + size, whole.end)
    return Range(whole.piece, whole.start, at, whole.body), Range(
        whole.piece, at, whole.end, whole.body
    )


def literal(body: bytes) -> Range:
    """Return literal bytes as a range."""
    return Range(None, 0, len(body), body)


def batches(parts: Sequence[Part], most: int = MOST_PARTS) -> list[Sequence[Part]]:
    """Divide parts evenly into as few objects as can hold them."""
    if len(parts) <= most:
        return [parts]
    count = math.ceil(len(parts) / most)
    each = math.ceil(len(parts) / count)
    return [parts[first : first + each] for first in range(0, len(parts), each)]
