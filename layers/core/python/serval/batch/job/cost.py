"""Usage and cost of a job, estimated and actual: time of functions and machines, steps, dollars.

Costs are computed from a dated price table and are never a bill. The prices are on-demand list
prices of us-east-1 in USD; other regions differ by some percent. Machine prices of a fleet depend
on the day, so they are not in the table.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from serval.batch.job.job import BatchJob, ShardRecord
from serval.batch.job.options import JobOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """The price table, in USD."""

    dated: str
    lambda_gb_second: float
    lambda_request: float
    step_functions_transition: float
    s3_write: float
    s3_read: float
    dynamodb_write: float
    dynamodb_read: float
    event: float


PRICES = Prices(
    dated="2026-05",
    lambda_gb_second=0.0000133334,
    lambda_request=0.20e-6,
    step_functions_transition=25e-6,
    s3_write=0.005e-3,
    s3_read=0.0004e-3,
    dynamodb_write=0.625e-6,
    dynamodb_read=0.125e-6,
    event=1.0e-6,
)
"""Lambda's prices are those of arm64."""


STEPS_OF_A_JOB = 14
"""State transitions of an execution, without its shards and scans."""
STEPS_OF_A_SHARD = 4
"""Of a child execution: start, map item, step, and the choice whether to go on."""
STEPS_OF_A_SCAN = 3
FUNCTIONS_OF_A_JOB = 4
"""Invocations of ``accept``, ``plan``, ``assemble`` and ``finish`` or ``cut``."""
STEP_GB = 1.7
"""Memory of ``plan``, ``scan``, ``cut`` and ``assemble``."""
SECONDS_OF_A_JOB = 4.0
"""Of ``plan`` and ``assemble`` together, without what grows with the input."""
SCAN_BYTES_PER_SECOND = 80e6
READ_BYTES_PER_SECOND = 60e6
"""Rate at which a shard reads and parses text; the model's own rate is measured."""
SECONDS_TO_BEGIN = 0.75
"""Of a shard: read its row and its plan, find the version in memory."""
SECONDS_TO_START = 1.0
"""Cold start of a function, which loads the version."""
WRITES_OF_A_SHARD, READS_OF_A_SHARD = 4, 4
ROWS_WRITTEN_SECONDS = 5.0
"""Time between two writes of a shard's row."""
COMPARED_JOBS = 20
"""Newest jobs of the model that are searched for a similar one."""
ENOUGH_ROWS = 1_000
MICRO = 1e6


@dataclass(frozen=True, slots=True)
class Usage:
    """What a job uses that costs money."""

    gb_seconds: float = 0.0
    invocations: int = 0
    transitions: int = 0
    s3_writes: int = 0
    s3_reads: int = 0
    dynamodb_writes: int = 0
    dynamodb_reads: int = 0
    events: int = 0
    machine_seconds: float = 0.0
    machine_microdollars_hour: int = 0

    @property
    def machine_microdollars(self) -> float:
        """Cost of the fleet's machines alone."""
        return self.machine_seconds / 3600 * self.machine_microdollars_hour

    def microdollars(self, prices: Prices = PRICES) -> int:
        """Return the cost by a price table."""
        dollars = (
            self.gb_seconds * prices.lambda_gb_second
            + self.invocations * prices.lambda_request
            + self.transitions * prices.step_functions_transition
            + self.s3_writes * prices.s3_write
            + self.s3_reads * prices.s3_read
            + self.dynamodb_writes * prices.dynamodb_write
            + self.dynamodb_reads * prices.dynamodb_read
            + self.events * prices.event
        )
        return round(dollars * MICRO + self.machine_microdollars)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobWork:
    """What is known of a job before it runs."""

    shards: int
    scans: int = 0
    rows: int
    read_bytes: int
    seconds_per_row: float
    """Of one shard; what overlaps is counted once."""
    concurrency: int
    memory_mib: int
    """Memory of ``shard``; 0 if the shards run on a fleet's machines."""
    machine_microdollars_hour: int = 0

    @property
    def busy_seconds(self) -> float:
        """Time of all shards together."""
        starts = min(self.shards, self.concurrency) * SECONDS_TO_START
        return starts + self.shards * SECONDS_TO_BEGIN + self.rows * self.seconds_per_row

    @property
    def seconds(self) -> float:
        """Time that passes until the shards are done."""
        if not self.shards:
            return 0.0
        waves = math.ceil(self.shards / self.concurrency)
        each = SECONDS_TO_BEGIN + self.rows * self.seconds_per_row / self.shards
        return SECONDS_TO_START + waves * each

    def usage(self) -> Usage:
        """Return the expected usage."""
        looks = self.busy_seconds / ROWS_WRITTEN_SECONDS
        scanned = self.scans and self.read_bytes / SCAN_BYTES_PER_SECOND
        return _count_usage(
            shards=self.shards,
            scans=self.scans,
            invocations=self.shards,
            looks=looks,
            shard_gb_seconds=self.busy_seconds * self.memory_mib / 1024,
            step_seconds=SECONDS_OF_A_JOB + scanned,
            machine_seconds=0.0 if self.memory_mib else self.busy_seconds,
            machine_microdollars_hour=self.machine_microdollars_hour,
        )


def seconds_per_row(rows_per_second: float | None, row_bytes: float) -> float:
    """Return the time of a row: reading or inference, whichever is slower."""
    reading = row_bytes / READ_BYTES_PER_SECOND
    return max(reading, 1 / rows_per_second if rows_per_second else 0.0)


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


def actual_usage(job: BatchJob, shards: Iterable[ShardRecord], assemble_ms: int = 0) -> Usage:
    """Return what a job has used, from the recorded durations."""
    known = list(shards)
    used = _count_usage(
        shards=len(known),
        scans=job.scans,
        invocations=sum(max(1, len(record.pieces)) for record in known),
        looks=sum(record.busy_ms for record in known) / 1e3 / ROWS_WRITTEN_SECONDS,
        shard_gb_seconds=sum(record.busy_ms * record.memory_mib for record in known) / 1e3 / 1024,
        step_seconds=(job.plan_ms + job.scan_ms + (assemble_ms or job.assemble_ms)) / 1e3,
        machine_seconds=sum(record.busy_ms for record in known if not record.memory_mib) / 1e3,
        machine_microdollars_hour=job.machine_microdollars_hour,
    )
    return replace(used, events=sum(record.events for record in known))


def _count_usage(
    *,
    shards: int,
    scans: int,
    invocations: int,
    looks: float,
    shard_gb_seconds: float,
    step_seconds: float,
    machine_seconds: float,
    machine_microdollars_hour: int,
) -> Usage:
    return Usage(
        machine_seconds=machine_seconds,
        machine_microdollars_hour=machine_microdollars_hour,
        gb_seconds=shard_gb_seconds + step_seconds * STEP_GB,
        invocations=FUNCTIONS_OF_A_JOB + scans + invocations,
        transitions=STEPS_OF_A_JOB + STEPS_OF_A_SHARD * shards + STEPS_OF_A_SCAN * scans,
        s3_writes=WRITES_OF_A_SHARD * shards + scans + 20,
        s3_reads=READS_OF_A_SHARD * shards + 2 * scans + 20,
        dynamodb_writes=round(2 * shards + looks) + 20,
        dynamodb_reads=round(3 * shards + looks) + 20,
    )
