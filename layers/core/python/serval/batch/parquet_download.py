"""The parts of a Parquet object that a shard needs, at their places in a file with holes."""

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from pathlib import Path

from serval.batch.parquet_footer import MAGIC, Footer
from serval.batch.ports import Objects, Source
from serval.errors import BatchRefused

GAP_BYTES = 65_536
"""Between two ranges that are read as one: a request takes as long as these."""
PIECE_BYTES = 4 * 2**20
Range = tuple[int, int]


def needed_ranges(footer: Footer, start: int, end: int, columns: Iterable[str]) -> list[Range]:
    """Give the bytes of some columns of all row groups that have rows from ``start`` to ``end``."""
    wanted = set(columns)
    ranges: list[Range] = []
    first = 0
    for group in footer.groups:
        last = first + group.rows
        if first < end and last > start:
            ranges += [
                (chunk.start, chunk.start + chunk.size_bytes)
                for chunk in group.chunks
                if chunk.column in wanted
            ]
        first = last
    return merged(ranges)


def merged(ranges: Sequence[Range]) -> list[Range]:
    """Put together ranges that lie close by each other."""
    found: list[Range] = []
    for start, end in sorted(ranges):
        if found and start - found[-1][1] <= GAP_BYTES:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def download(
    objects: Objects,
    source: Source,
    footer: Footer,
    ranges: Sequence[Range],
    target: Path,
    pool: Executor,
    limit_bytes: int,
) -> None:
    """Write the ranges and the footer to a file of the object's size.

    Raises
    ------
    BatchRefused
        If they take more room than there is.
    """
    size = sum(end - start for start, end in ranges)
    if size > limit_bytes:
        raise BatchRefused(
            f"{source.address}: its row groups are too large: {size} bytes of the columns that "
            f"are needed, {limit_bytes} of disk here; write it with smaller row groups"
        )
    file = os.open(target, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.truncate(file, source.size_bytes)
        os.pwrite(file, MAGIC, 0)

        def write(found: Range) -> None:
            at = found[0]
            for piece in objects.read(source, *found, PIECE_BYTES):
                os.pwrite(file, piece, at)
                at += len(piece)

        list(pool.map(write, [*ranges, (footer.body_end, source.size_bytes)]))
    finally:
        os.close(file)
