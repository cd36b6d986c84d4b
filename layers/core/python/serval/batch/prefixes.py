"""Whose prefix is whose: parts of two jobs under one prefix would be put together."""

import json
from dataclasses import dataclass

from serval.batch.job import BatchJob
from serval.batch.keys import Address, JobKeys
from serval.batch.ports import JobStore, Objects
from serval.errors import BatchRefused


@dataclass(frozen=True, slots=True)
class Prefixes:
    """Output prefixes, each of one job at a time."""

    objects: Objects
    store: JobStore

    def take(self, job: BatchJob, output: Address) -> None:
        """Make a prefix a job's own; one that an earlier job has done with is cleared of its parts.

        What that job has left as its output stays until this one has its own.

        Raises
        ------
        BatchRefused
            If the prefix is of a job that goes on, or what a retry would go on with is not there.
        """
        place = Address(output.bucket, JobKeys(output.key).owner)
        body = json.dumps({"job": job.id}).encode()
        there = self.objects.claim(place, body)
        if there != body and job.attempt > 1:
            raise BatchRefused(
                f"output {output} has been job {holder(there)}'s since, so that nothing is left to "
                "go on with: start the job anew"
            )
        if there != body and self._is_free(there):
            self._clear(output, place)
            there = self.objects.claim(place, body, instead_of=there)
        if there != body:
            raise BatchRefused(
                f"output {output} is that of job {holder(there)}, which goes on: choose another "
                "prefix, or put {job} or {time} in it"
            )

    def _is_free(self, there: bytes) -> bool:
        """Tell whether the job that has a prefix has ended, or is not remembered any more."""
        job = self.store.find(holder(there))
        return job is None or not job.open

    def _clear(self, output: Address, place: Address) -> None:
        """Delete what an earlier job's shards have left: it would be taken for this one's."""
        for folder in ("parts/", "errors/", "plan/"):
            left = [source.address for source in self.objects.list(output.under(folder))]
            self.objects.delete([address for address in left if address != place])


def holder(claim: bytes) -> str:
    """Give the id of the job that has a prefix; of an object that is none of ours, nothing."""
    try:
        return str(json.loads(claim)["job"])
    except (ValueError, KeyError, TypeError):
        return ""
