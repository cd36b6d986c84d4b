"""Control of an existing job: cancel it, or retry what was not done."""

from dataclasses import dataclass

from serval.batch.assemble.finish import FinishJob
from serval.batch.job import lifecycle
from serval.batch.job.job import BatchJob
from serval.batch.job.lifecycle import change_job
from serval.batch.job.ports import Announce, Executions, JobStore
from serval.batch.start.start import execution_name
from serval.clock import Clock, utc_now


@dataclass(frozen=True, slots=True)
class Control:
    """Cancels and retries jobs."""

    store: JobStore
    executions: Executions
    announce: Announce
    finish_job: FinishJob
    clock: Clock = utc_now

    def cancel(self, job: BatchJob) -> BatchJob:
        """Cancel a job and write a summary of what was done; its shards stop at their next check.

        The row is changed first, so that whatever still runs sees it even if this call dies.

        Raises
        ------
        BatchConflict
            If the job has succeeded or failed.
        """
        cancelled = change_job(self.store, job, lambda row: lifecycle.cancel(row, self.clock()))
        if not cancelled.open:
            return cancelled
        self.announce(cancelled)
        if cancelled.owner is not None:
            self.executions.stop(cancelled.owner)
        return self.finish_job.close(cancelled, "cancelled")

    def retry(self, job: BatchJob) -> BatchJob:
        """Run what was not done; finished shards stay as they are.

        Raises
        ------
        BatchConflict
            If the job is still open, or has succeeded.
        """
        if job.status == "queued":
            queued = job
        else:
            queued = change_job(self.store, job, lambda row: lifecycle.retry(row, self.clock()))
            self.announce(queued)
        self.executions.start(execution_name(queued), queued.id)
        return queued
