"""Estimate of a job: the pace of its version, the sizes of its shards, and time and cost."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from serval.batch.job.cost import SECONDS_TO_BEGIN, JobWork, seconds_per_row
from serval.batch.job.job import BatchJob
from serval.batch.job.options import JobOptions
from serval.models.version import ModelVersion

SHARD_SECONDS = 300
"""Most work in a shard, at the version's measured rate."""
BLOCK_SECONDS = 5
"""Work between two checks of the time and of the job's row."""
BLOCK_BYTES = 4 * 2**20
BLOCK_ROWS = 65_536
LEAST_BLOCK_BYTES = 64
"""A record may take minutes; a block holds at least one, however small this is."""
UNMEASURED_FLEET_ROWS_PER_SECOND = 10.0
"""For a version whose rate is unknown because the golden check does not run on its machines."""
DEFAULT_BATCH_ROWS = 32
COMPARED_JOBS = 20
"""Newest jobs of the model that are searched for a similar one."""
ENOUGH_ROWS = 1_000


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What is known of a job before it starts."""

    format: str
    """Format and compression of the input, by which jobs are compared."""
    files: int
    input_bytes: int
    rows: int
    exact: bool
    """Whether the rows were counted."""
    shards: int
    seconds: int
    microdollars: int
    machine_microdollars_hour: int = 0
    """Price of a fleet's machine; 0 if the job runs on Lambda or the price is unknown."""
    columns: tuple[dict[str, Any], ...] = ()
    """Which columns fill which input, and how they were found; empty if there are no columns."""

    def to_json(self) -> dict[str, Any]:
        """Return the estimate as ``plan/estimate.json`` stores it."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Estimate":
        """Read what ``to_json`` returned."""
        return cls(**{**value, "columns": tuple(value.get("columns", ()))})


def estimate_job(
    *,
    form: str,
    files: int,
    input_bytes: int,
    rows: int,
    exact: bool,
    shards: int,
    scans: int,
    seconds_of_row: float,
    concurrency: int,
    memory_mib: int,
    machine_microdollars_hour: int,
    columns: tuple[dict[str, Any], ...] = (),
) -> Estimate:
    """Put an estimate together."""
    work = JobWork(
        shards=shards,
        scans=scans,
        rows=rows,
        read_bytes=input_bytes,
        seconds_per_row=seconds_of_row,
        concurrency=concurrency,
        memory_mib=memory_mib,
        machine_microdollars_hour=machine_microdollars_hour,
    )
    return Estimate(
        format=form,
        files=files,
        input_bytes=input_bytes,
        rows=rows,
        exact=exact,
        shards=shards,
        seconds=round(work.seconds),
        microdollars=work.usage().microdollars(),
        machine_microdollars_hour=machine_microdollars_hour,
        columns=columns,
    )


def expected_seconds_per_row(
    earlier: Sequence[BatchJob],
    version: str,
    form: str,
    options: JobOptions,
    rows_per_second: float | None,
    row_bytes: float,
) -> float:
    """Estimate the seconds that a shard takes for a row, from an earlier job like this if any.

    A job is like this one if version, format, compression and output are the same.
    """
    for job in earlier:
        like = (job.status, job.version, job.format) == ("succeeded", version, form)
        same = (job.options.output.format, job.options.output.join) == (
            options.output.format,
            options.output.join,
        )
        if like and same and job.rows >= ENOUGH_ROWS:
            busy = job.busy_ms / 1e3 - job.shards_done * SECONDS_TO_BEGIN
            return max(busy / job.rows, 1e-9)
    return seconds_per_row(rows_per_second, row_bytes)
