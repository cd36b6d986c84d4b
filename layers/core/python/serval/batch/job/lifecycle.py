"""Transitions of a batch job: pure changes of its row, each saved conditionally.

::

    queued ─ plan ─> planning ─ run ─> running ─ assemble ─> assembling ─ succeed ─> succeeded
      ^                 │                │                      │
      │                 └────────────────┴──────────────────────┤
      └── retry ── failed, cancelled <── fail, cancel ──────────┘

A step may be called again after its answer was lost, so a repeated transition changes nothing.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from serval.batch.job.asked_versions import AskedPairs
from serval.batch.job.job import OPEN, BatchJob
from serval.batch.job.ports import JobStore
from serval.clock import timestamp
from serval.errors import BatchConflict, RegistryUnavailable

CHANGE_ATTEMPTS = 20


class JobStopped(Exception):
    """The job has ended or is about to end, so whatever works on it stops."""

    def __init__(self, job: BatchJob) -> None:
        super().__init__(f"batch job {job.id!r} {describe_stop(job)}")
        self.job = job


def describe_stop(job: BatchJob) -> str:
    """Describe why the shards of a job should stop."""
    if job.cancel_requested:
        return "was cancelled"
    if job.stop_reason is not None:
        return f"is ending: {job.stop_reason}"
    return f"has {job.status}" if not job.open else "goes on"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPlan:
    """What is known of a job before its shards run."""

    format: str
    files: int
    input_bytes: int
    estimated_rows: int
    exact_rows: bool
    shards: int
    estimated_seconds: int
    estimated_microdollars: int
    machine_microdollars_hour: int = 0
    columns: tuple[dict[str, Any], ...] = ()
    plan_ms: int
    scans: int = 0
    scan_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTotals:
    """What the shards of a job did, added up."""

    rows: int = 0
    rejected: int = 0
    shards_done: int = 0
    busy_ms: int = 0
    assemble_ms: int = 0
    microdollars: int = 0
    step_versions: AskedPairs = ()


def claim(job: BatchJob, owner: str, version: str, output: str, now: datetime) -> BatchJob:
    """Assign the job to an execution, and fix its version."""
    return replace(
        job,
        owner=owner,
        version=job.version or version,
        output=output,
        updated=timestamp(now),
    )


def plan(job: BatchJob, now: datetime) -> BatchJob:
    """Begin planning."""
    if job.status != "queued":
        return job
    return replace(job, status="planning", started=timestamp(now), updated=timestamp(now))


def run(job: BatchJob, planned: JobPlan, now: datetime) -> BatchJob:
    """Release the shards."""
    if job.status not in ("queued", "planning"):
        return job
    return replace(
        job,
        status="running",
        **asdict(planned),
        updated=timestamp(now),
    )


def assemble(job: BatchJob, now: datetime) -> BatchJob:
    """Begin assembling the output."""
    if job.status != "running":
        return job
    return replace(job, status="assembling", updated=timestamp(now))


def succeed(job: BatchJob, done: JobTotals, now: datetime) -> BatchJob:
    """End the job as succeeded; a cancel request or stop reason set meanwhile is too late."""
    if not job.open:
        return job
    ended = replace(job, status="succeeded", cancel_requested=False, stop_reason=None, error=None)
    return _end(ended, done, now)


def fail(job: BatchJob, reason: str, done: JobTotals, now: datetime) -> BatchJob:
    """End the job as failed, or as cancelled if that was requested."""
    if not job.open:
        return job
    if job.cancel_requested:
        return close_cancelled(job, done, now)
    return _end(replace(job, status="failed", error=reason), done, now)


def close_cancelled(job: BatchJob, done: JobTotals, now: datetime) -> BatchJob:
    """End the job as cancelled."""
    if not job.open:
        return job
    return _end(replace(job, status="cancelled", cancel_requested=True), done, now)


def stop(job: BatchJob, reason: str, now: datetime) -> BatchJob:
    """Ask the shards to stop, since the job cannot succeed any more; the first reason stands."""
    if not job.open or job.stop_reason is not None:
        return job
    return replace(job, stop_reason=reason, updated=timestamp(now))


def cancel(job: BatchJob, now: datetime) -> BatchJob:
    """Request the end of the job; what runs stops at its next look at the row.

    Raises
    ------
    BatchConflict
        If the job has succeeded or failed.
    """
    if job.status == "cancelled" or job.cancel_requested:
        return job
    if not job.open:
        raise BatchConflict(job.id, f"it has {job.status}, so there is nothing to cancel")
    return replace(job, cancel_requested=True, updated=timestamp(now))


def retry(job: BatchJob, now: datetime) -> BatchJob:
    """Queue the job again for what was not done; its version and plan stay.

    Raises
    ------
    BatchConflict
        If the job is still open, or has succeeded.
    """
    if job.status in (*OPEN, "succeeded"):
        state = f"is {job.status}" if job.open else "has succeeded"
        raise BatchConflict(job.id, f"it {state}; only failed or cancelled ones are retried")
    return replace(
        job,
        status="queued",
        owner=None,
        attempt=job.attempt + 1,
        cancel_requested=False,
        stop_reason=None,
        finished=None,
        error=None,
        updated=timestamp(now),
    )


def _end(job: BatchJob, done: JobTotals, now: datetime) -> BatchJob:
    return replace(
        job,
        **asdict(done),
        finished=timestamp(now),
        updated=timestamp(now),
    )


def change_job(
    store: JobStore, job: BatchJob, transition: Callable[[BatchJob], BatchJob]
) -> BatchJob:
    """Apply a transition to the current row, repeating it if another writer was first.

    Raises
    ------
    RegistryUnavailable
        If other writers were first twenty times in a row, or the row is gone.
    """
    current: BatchJob | None = job
    for _ in range(CHANGE_ATTEMPTS):
        if current is None:
            raise RegistryUnavailable(f"batch job {job.id!r} is gone from the jobs table")
        after = transition(current)
        if after == current:
            return current
        if store.save(current, after):
            return replace(after, revision=current.revision + 1)
        current = store.find(job.id)
    raise RegistryUnavailable(f"batch job {job.id!r}: {CHANGE_ATTEMPTS} changes met another writer")
