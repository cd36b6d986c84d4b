"""``finish``: end a job that was refused, failed or cancelled."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

from serval.batch.assemble.summary import ShardTally, add_reasons, summary_bytes
from serval.batch.job import lifecycle
from serval.batch.job.job import BatchJob
from serval.batch.job.keys import Address, JobKeys, read_address
from serval.batch.job.lifecycle import change_job
from serval.batch.job.outcomes import describe_failure
from serval.batch.job.ports import Announce, BatchObjects, JobStore
from serval.clock import Clock, utc_now


class JobVerdict(TypedDict):
    """How a job ended, and why."""

    job: str | None
    status: str
    reason: str


@dataclass(frozen=True, slots=True)
class FinishJob:
    """Ends jobs, with a summary of what was done."""

    objects: BatchObjects
    store: JobStore
    announce: Announce
    clock: Clock = utc_now

    def finish(self, event: Mapping[str, Any]) -> JobVerdict:
        """End a job with the given reason; repeating it changes nothing.

        Parameters
        ----------
        event
            The ``job``, if it is known; and the ``reason`` of a step, or the ``error`` caught.
        """
        job = self.store.find(event["job"]) if event.get("job") else None
        if job is None:
            return {"job": event.get("job"), "status": "failed", "reason": event_reason(event)}
        if job.open:
            job = self.close(job, event_reason(event))
        elif job.status != "succeeded":
            # Whoever closed the job may have died before writing the summary.
            self._write_summary(job, ShardTally(tuple(self.store.shards(job.id))))
        return {"job": job.id, "status": job.status, "reason": job.error or ""}

    def close(self, job: BatchJob, reason: str) -> BatchJob:
        """End a job with a summary; it ends as cancelled if that was requested.

        A job that has succeeded meanwhile is left alone.
        """
        tally = ShardTally(tuple(self.store.shards(job.id)))
        reason, done = closing_reason(job, tally, reason), tally.totals(job)
        closed = change_job(
            self.store, job, lambda row: lifecycle.fail(row, reason, done, self.clock())
        )
        if closed.status != "succeeded":
            self._write_summary(closed, tally)
            self.announce(closed)
        return closed

    def _write_summary(self, job: BatchJob, tally: ShardTally) -> None:
        """Write the summary of a job, if it got as far as having an output prefix."""
        if job.owner is None or not job.output:
            return
        output = read_address(job.output, "output")
        errors = output.under("errors/") if any(record.errors for record in tally.done) else None
        place = Address(output.bucket, JobKeys(output.key).summary)
        self.objects.put(place, summary_bytes(job, tally, None, errors))


def event_reason(event: Mapping[str, Any]) -> str:
    """Return the reason of a step, or describe the error that was caught."""
    if event.get("reason"):
        return str(event["reason"])
    return describe_failure(event["error"]) if event.get("error") else "ended without a reason"


def closing_reason(job: BatchJob, tally: ShardTally, reason: str) -> str:
    """Return why a job failed, preferably as its shards say it."""
    if job.stop_reason is not None:
        return job.stop_reason
    if job.status == "running" and tally.failures:
        missing = job.shards - len(tally.done)
        return add_reasons(f"{missing} of {job.shards} shards are not done", tally.failures)
    return reason
