"""Follow a batch job to its end."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from serval_cli.api.batch import ENDED, Job
from serval_cli.api.http import ApiUnavailable

SHARDS_PER_SECOND = 500
"""A look reads every shard of a job, so jobs of many shards are looked at less often."""
LONGEST_PAUSE_SECONDS = 10.0
OUTAGE_SECONDS = 60.0
"""How long the API may fail, or not be reached, before nobody looks any more."""
SILENCE_SECONDS = 3600.0
"""A job in which nothing has moved for so long is stuck."""


@dataclass(frozen=True, slots=True)
class JobWatch:
    """Looks at a job again and again until it has ended, or is stuck."""

    read: Callable[[], Job]
    tell: Callable[[Job], None]
    """Hears of every look."""
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def end(self) -> Job:
        """Give the job as it was at the last look.

        Raises
        ------
        ApiUnavailable
            If there was no answer for a minute.
        """
        seen, moved = self._read(), self.clock()
        while True:
            self.tell(seen)
            if not going(seen) or self.clock() - moved > SILENCE_SECONDS:
                return seen
            self.sleep(pause_seconds(seen))
            job = self._read()
            if state(job) != state(seen):
                moved = self.clock()
            seen = job

    def _read(self) -> Job:
        deadline = self.clock() + OUTAGE_SECONDS
        while True:
            try:
                return self.read()
            except ApiUnavailable:
                if self.clock() >= deadline:
                    raise
                self.sleep(1.0)


@dataclass
class Lines:
    """Says how a job stands, a line for each change; a few rows more are none."""

    say: Callable[[Job], None]
    last: tuple[object, ...] = ()

    def tell(self, job: Job) -> None:
        """Hear how it stands, which may be as before."""
        tenth = int((job["percent"] or 0) // 10)
        asked = job.get("cancel_requested")
        now = (job["status"], asked, job["shards"], job["shards_done"], tenth)
        if now != self.last:
            self.last = now
            self.say(job)


def going(job: Job) -> bool:
    """Tell whether a job has not ended."""
    return job["status"] not in ENDED


def pause_seconds(job: Job) -> float:
    """Give how long to wait for the next look."""
    return min(LONGEST_PAUSE_SECONDS, max(1.0, int(job["shards"]) / SHARDS_PER_SECOND))


def state(job: Job) -> tuple[object, ...]:
    """Give what changes when a job moves."""
    return job["status"], job["attempt"], job["shards_done"], job["rows"], job["rejected"]
