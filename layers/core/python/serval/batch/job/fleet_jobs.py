"""Batch jobs on fleets: which fleet models can have them, and how many shards are left to do."""

from collections.abc import Mapping
from dataclasses import dataclass

from serval.batch.job.job import BatchJob
from serval.batch.job.ports import JobStore
from serval.fleets.scale.observation import JobShards
from serval.models.deployed_fleets import Fleets


def fleet_job_name(job: BatchJob) -> str:
    """Return a job's name in a fleet's row, with its attempt, since a retry asks anew."""
    return f"{job.id}:{job.attempt}"


def job_id_of(name: str) -> str:
    """Return the id of a job from its name in a fleet's row."""
    return name.rpartition(":")[0]


@dataclass(frozen=True, slots=True)
class FleetJobs:
    """Looks up the jobs that fleets work on, in the jobs table."""

    store: JobStore

    def find_shards(self, job: str) -> JobShards | None:
        """Return a running job's open shards; None if the job needs the fleet no longer."""
        job_id = job_id_of(job)
        found = self.store.find(job_id)
        if (
            found is None
            or fleet_job_name(found) != job
            or found.status != "running"
            or found.stopping
        ):
            return None
        done = sum(record.done for record in self.store.shards(job_id))
        return JobShards(found.model, found.shards - done, found.options.concurrency)


def unreachable_models(fleets: Fleets) -> Mapping[str, str]:
    """Return, by model, why no batch job of it can run."""
    return {
        model: f"fleet {fleet.name!r} is of kind {fleet.kind!r}, whose endpoint answers requests "
        "and takes no shards: declare its model on a spot fleet, or on Lambda"
        for fleet in fleets.by_name.values()
        if fleet.kind != "spot"
        for model in fleet.models
    }
