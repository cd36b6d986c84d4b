"""Download of the parts of a Parquet object that a shard needs, into a sparse file."""

import os
from collections.abc import Iterable
from concurrent.futures import Executor
from pathlib import Path

from serval.batch.input.parquet.footer import MAGIC
from serval.batch.input.parquet.needs import NeededRows, Range
from serval.batch.job.keys import Source
from serval.batch.job.ports import BatchObjects
from serval.errors import BatchRefused

PIECE_BYTES = 4 * 2**20


def download(
    objects: BatchObjects,
    source: Source,
    needed: NeededRows,
    target: Path,
    pool: Executor,
    limit_bytes: int,
) -> None:
    """Write the needed ranges to a file at their offsets, and their footer after the last one.

    Raises
    ------
    BatchRefused
        If they take more room than there is.
    """
    size = sum(end - start for start, end in needed.ranges)
    if size > limit_bytes:
        raise BatchRefused(
            f"{source.address}: its row groups are too large: {size} bytes of the columns that "
            f"are needed, {limit_bytes} of disk here; write it with smaller row groups"
        )
    file = os.open(target, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    try:

        def write(found: Range) -> None:
            write_at(file, found[0], objects.read(source, *found, PIECE_BYTES))

        write_at(file, 0, [MAGIC])
        list(pool.map(write, needed.ranges))
        write_at(file, max((end for _, end in needed.ranges), default=len(MAGIC)), [needed.footer])
    finally:
        os.close(file)


def write_at(file: int, at: int, pieces: Iterable[bytes]) -> None:
    """Write consecutive pieces at an offset."""
    for piece in pieces:
        os.pwrite(file, piece, at)
        at += len(piece)
