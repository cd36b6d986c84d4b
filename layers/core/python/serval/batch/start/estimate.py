"""Estimate of a job's duration and cost, from its input and from earlier jobs like it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from serval.batch.job.cost import SECONDS_TO_BEGIN, JobWork, seconds_per_row
from serval.batch.job.job import BatchJob
from serval.batch.job.options import JobOptions

LOOKED_AT = 20
"""Newest jobs of the model that are searched for a similar one."""
ENOUGH_ROWS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What is known of a job before it starts."""

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


def estimated(
    *,
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


def pace_of_rows(
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
