"""Follow a batch job to its end."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from serval.client import JobDocument, NoReply, ServerFailed
from serval.client.documents import ENDED

SHARDS_PER_SECOND = 500
"""Each look reads every shard of a job, so the more shards, the rarer the looks."""
LONGEST_PAUSE_SECONDS = 10.0
OUTAGE_SECONDS = 60.0
"""How long the API may fail or be unreachable before the watch ends."""
SILENCE_SECONDS = 3600.0
"""A job that has not moved for this long is stuck."""


@dataclass(frozen=True, slots=True)
class JobWatch:
    """Polls a job until it has ended or is stuck."""

    read: Callable[[], JobDocument]
    report: Callable[[JobDocument], None]
    """Called with the job after every look."""
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def end(self) -> JobDocument:
        """Return the job as last seen.

        Raises
        ------
        NoReply, ServerFailed
            If the API did not answer for a minute.
        """
        seen, moved = self._read(), self.clock()
        while True:
            self.report(seen)
            if not is_running(seen) or self.clock() - moved > SILENCE_SECONDS:
                return seen
            self.sleep(pause_seconds(seen))
            job = self._read()
            if progress_of(job) != progress_of(seen):
                moved = self.clock()
            seen = job

    def _read(self) -> JobDocument:
        deadline = self.clock() + OUTAGE_SECONDS
        while True:
            try:
                return self.read()
            except (NoReply, ServerFailed):
                if self.clock() >= deadline:
                    raise
                self.sleep(1.0)


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


def pause_seconds(job: JobDocument) -> float:
    """Return how long to pause before the next look."""
    return min(LONGEST_PAUSE_SECONDS, max(1.0, int(job["shards"]) / SHARDS_PER_SECOND))


def progress_of(job: JobDocument) -> tuple[object, ...]:
    """Return the values that change when a job moves."""
    return job["status"], job["attempt"], job["shards_done"], job["rows"], job["rejected"]
