"""What batch jobs ask of fleets: the shards that are not done, for as long as a job runs them."""

from dataclasses import dataclass

from serval.batch.job import BatchJob
from serval.batch.ports import JobStore
from serval.fleets.scale.observation import JobShards


def named(job: BatchJob) -> str:
    """Name a job as a fleet's row does: with its attempt, since a retry asks anew."""
    return f"{job.id}:{job.attempt}"


def id_of(name: str) -> str:
    """Give the id of a job that a fleet's row names."""
    return name.rpartition(":")[0]


@dataclass(frozen=True, slots=True)
class FleetJobs:
    """``BatchJobs`` of the jobs table."""

    store: JobStore

    def look(self, job: str) -> JobShards | None:
        """Look a job of a fleet's row up; None: it asks nothing any more."""
        job_id = id_of(job)
        found = self.store.find(job_id)
        if found is None or named(found) != job or found.status != "running" or found.stopping:
            return None
        done = sum(record.done for record in self.store.shards(job_id))
        return JobShards(found.model, found.shards - done, found.options.concurrency)
