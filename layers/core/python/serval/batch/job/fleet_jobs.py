"""What batch jobs ask of fleets: the shards that are not done, for as long as a job runs them.

Which fleet models batch jobs can be run of: those that a worker of their fleet waits for.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from serval.batch.job.job import BatchJob
from serval.batch.job.ports import JobStore
from serval.fleets.scale.observation import JobShards
from serval.models.deployed_fleets import Fleets


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


def out_of_reach(fleets: Fleets) -> Mapping[str, str]:
    """Give by model why no batch job of it can run."""
    return {
        model: f"fleet {fleet.name!r} is of kind {fleet.kind!r}, whose endpoint answers requests "
        "and takes no shards: declare its model on a spot fleet, or on Lambda"
        for fleet in fleets.by_name.values()
        if fleet.kind != "spot"
        for model in fleet.models
    }
