"""Which batch jobs a caller may see: those of the models in its scope."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from serval.batch.job import BatchJob
from serval.batch.ports import JobStore
from serval.errors import BatchJobNotFound
from serval.requests.access import Caller, Callers

JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")


@dataclass(frozen=True, slots=True)
class JobAccess(Callers):
    """Lets each caller at the jobs of the models in its scope."""

    store: JobStore
    models: Callable[[], Sequence[str]]
    """Gives the models that are registered."""

    def job(self, caller: Caller, job_id: str) -> BatchJob:
        """Give a job, or raise ``BatchJobNotFound`` if the caller may see none of that id."""
        found = self.store.find(job_id) if JOB_ID.fullmatch(job_id) else None
        if found is None or not caller.allows(found.model):
            raise BatchJobNotFound(job_id)
        return found

    def newest(self, caller: Caller, limit: int) -> list[BatchJob]:
        """List the newest jobs of all models in a caller's scope, the newest first."""
        found = [
            job
            for model in self.models()
            if caller.allows(model)
            for job in self.store.of_model(model, limit)
        ]
        return sorted(found, key=lambda job: (job.created, job.id), reverse=True)[:limit]
