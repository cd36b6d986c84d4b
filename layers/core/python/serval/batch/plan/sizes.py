"""Sizes of a job's shards, and of the blocks in which a shard works."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from serval.models.version import ModelVersion

SHARD_SECONDS = 300
"""Most work in a shard, at the version's measured rate."""
MOST_SHARDS = 10_000
FILES_OF_A_SHARD = 1_000
BLOCK_SECONDS = 5
"""Work between two checks of the time and of the job's row."""
BLOCK_BYTES = 4 * 2**20
BLOCK_ROWS = 65_536
LEAST_BLOCK_BYTES = 64
"""A record may take minutes; a block holds at least one, however small this is."""
UNMEASURED_FLEET_ROWS_PER_SECOND = 10.0
"""For a version whose rate is unknown because the golden check does not run on its machines."""
DEFAULT_BATCH_ROWS = 32


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a version answers rows, and how many it prefers at once."""

    rows_per_second: float | None
    """None for a light version that was not measured."""
    batch_rows: int

    @classmethod
    def of(cls, record: ModelVersion) -> "Pace":
        """Take the measurements of the golden check, else the settings of the bundle."""
        measured: Mapping[str, Any] = record.measurements
        batching = record.bundle.get("batching", {})
        rate = measured.get("rows_per_second")
        if rate is None and measured.get("p50_ms"):
            # A model that takes no batches answers one row a request.
            rate = 1e3 / measured["p50_ms"]
        if rate is None and record.bundle.get("compute", {}).get("target") == "fleet":
            rate = UNMEASURED_FLEET_ROWS_PER_SECOND
        rows = measured.get("best_batch_size") or batching.get("max_batch_size")
        return cls(rate, int(rows or DEFAULT_BATCH_ROWS))

    def shard_bytes(self, most: int, row_bytes: float) -> int:
        """Return the size of a shard, limited to ``most`` bytes and to the work it may hold."""
        if self.rows_per_second is None:
            return most
        return max(1, min(most, math.ceil(SHARD_SECONDS * self.rows_per_second * row_bytes)))

    def block_bytes(self, row_bytes: float) -> int:
        """Return the size of a block of text."""
        if self.rows_per_second is None:
            return BLOCK_BYTES
        wished = int(BLOCK_SECONDS * self.rows_per_second * row_bytes)
        return max(LEAST_BLOCK_BYTES, min(BLOCK_BYTES, wished))

    def block_rows(self, row_bytes: float) -> int:
        """Return the rows in a block of a table or of objects."""
        most = max(1, min(BLOCK_ROWS, int(BLOCK_BYTES / max(row_bytes, 1))))
        if self.rows_per_second is None:
            return most
        return max(1, min(most, int(BLOCK_SECONDS * self.rows_per_second)))


def large_enough(wished: int, sizes: Sequence[int]) -> int:
    """Return the smallest shard size, from ``wished`` up, with at most 10,000 shards."""
    size = max(wished, math.ceil(sum(sizes) / MOST_SHARDS))
    while shards_of(size, sizes) > MOST_SHARDS:
        size = size * 5 // 4 + 1
    return size


def shards_of(shard_bytes: int, sizes: Sequence[int], *, cut: bool = True) -> int:
    """Count the shards of files: large ones may be cut, small neighbours share one."""
    return sum(
        1 if shared or not cut else math.ceil(sum(sizes[first:last]) / shard_bytes)
        for first, last, shared in grouped(shard_bytes, sizes)
    )


def grouped(
    shard_bytes: int, sizes: Sequence[int], most: int = FILES_OF_A_SHARD
) -> list[tuple[int, int, bool]]:
    """Group files in order into (first, end, whether they share a shard)."""
    runs: list[tuple[int, int, bool]] = []
    first = held = 0
    for index, size in enumerate(sizes):
        if index > first and (held + size > shard_bytes or index - first >= most):
            runs.append((first, index, True))
            first, held = index, 0
        if size > shard_bytes:
            runs.append((index, index + 1, False))
            first, held = index + 1, 0
        else:
            held += size
    if first < len(sizes):
        runs.append((first, len(sizes), True))
    return runs
