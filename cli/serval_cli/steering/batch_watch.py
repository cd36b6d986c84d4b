"""Follow a batch job to its end."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from serval.client import Client, JobDocument
from serval.client.documents import ENDED

SILENCE_SECONDS = 3600.0
"""A job that has not moved for this long is stuck."""


def watch_job(
    client: Client,
    job_id: str,
    report: Callable[[JobDocument], None],
    clock: Callable[[], float] = time.monotonic,
) -> JobDocument:
    """Follow a job until it has ended or is stuck, report every look, and return the last."""
    moved, before = clock(), None
    for job in client.follow_job(job_id):
        report(job)
        if progress_of(job) != before:
            moved, before = clock(), progress_of(job)
        elif clock() - moved > SILENCE_SECONDS:
            break
    return job


@dataclass
class JobLines:
    """Prints a line for each notable change of a job."""

    write: Callable[[JobDocument], None]
    last: tuple[object, ...] = ()

    def report(self, job: JobDocument) -> None:
        """Print the job's state unless it has hardly changed."""
        tenth = int((job["percent"] or 0) // 10)
        asked = job.get("cancel_requested")
        now = (job["status"], asked, job["shards"], job["shards_done"], tenth)
        if now != self.last:
            self.last = now
            self.write(job)


def is_running(job: JobDocument) -> bool:
    """Return whether a job has not ended."""
    return job["status"] not in ENDED


def progress_of(job: JobDocument) -> tuple[object, ...]:
    """Return the values that change when a job moves."""
    return job["status"], job["attempt"], job["shards_done"], job["rows"], job["rejected"]
