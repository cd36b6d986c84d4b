"""Output prefixes belong to one job at a time: parts of two would be joined into one output.

A claim is an object under the prefix that names the stage and the job. A job that takes over a
prefix writes its claim first, marked as ``clearing``, then deletes what the earlier job has left,
and then claims it for good; whoever finds its own claim still marked clears again. A job that is
retried claims its prefix anew, so that who saw it ended before does not take it now.
"""

import json
from dataclasses import dataclass, replace
from typing import Any

from serval.batch.job.job import BatchJob
from serval.batch.job.keys import BY_INPUT, Address, JobKeys
from serval.batch.job.ports import BatchObjects, JobStore
from serval.errors import BatchRefused


@dataclass(frozen=True, slots=True)
class PrefixClaim:
    """Who has a prefix."""

    stage: str
    job: str
    attempt: int = 1
    clearing: bool = False

    def is_of(self, other: "PrefixClaim") -> bool:
        """Tell whether another claim is the same job's."""
        return (self.stage, self.job) == (other.stage, other.job)

    def to_json(self) -> bytes:
        """Write the object that says so."""
        said: dict[str, Any] = {"job": self.job, "stage": self.stage}
        if self.attempt > 1:
            said["attempt"] = self.attempt
        return json.dumps(said | ({"clearing": True} if self.clearing else {})).encode()

    @classmethod
    def from_json(cls, body: bytes, stage: str) -> "PrefixClaim":
        """Read a claim; one without a stage is this one's, and no other object is a job's."""
        try:
            said = json.loads(body)
            return cls(
                str(said.get("stage", stage)),
                str(said["job"]),
                int(said.get("attempt", 1)),
                bool(said.get("clearing")),
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            return cls(stage, "")


@dataclass(frozen=True, slots=True)
class Prefixes:
    """Claims output prefixes for the jobs of a stage."""

    objects: BatchObjects
    store: JobStore
    stage: str

    def take(self, job: BatchJob, output: Address) -> None:
        """Claim a prefix for a job; one that an earlier job has done with is cleared of its parts.

        The one file that job has left as its output stays until this one has its own.

        Raises
        ------
        BatchRefused
            If the prefix is of a job that goes on or of another stage, or what a retry would go on
            with is not there.
        """
        place = Address(output.bucket, JobKeys(output.key).owner)
        mine = PrefixClaim(self.stage, job.id, job.attempt)
        body = self.objects.claim(place, mine.to_json())
        there = PrefixClaim.from_json(body, self.stage)
        if not there.is_of(mine):
            self._refuse_unless_free(job, output, there)
            body = self.objects.claim(
                place, replace(mine, clearing=True).to_json(), instead_of=body
            )
        elif there.attempt < job.attempt:
            renewed = replace(there, attempt=job.attempt)
            body = self.objects.claim(place, renewed.to_json(), instead_of=body)
        there = PrefixClaim.from_json(body, self.stage)
        if not there.is_of(mine):
            raise in_use(output, there)
        if there.clearing:
            self._clear(output, place)
            self.objects.claim(place, mine.to_json(), instead_of=body)

    def _refuse_unless_free(self, job: BatchJob, output: Address, there: PrefixClaim) -> None:
        if job.attempt > 1:
            raise BatchRefused(
                f"output {output} has been job {there.job}'s since, so that nothing is left to "
                "go on with: start the job anew"
            )
        if there.stage != self.stage:
            raise BatchRefused(
                f"output {output} is that of job {there.job} of stage {there.stage!r}: choose "
                "another prefix, or delete what is under this one"
            )
        holder = self.store.find(there.job)
        if holder is not None and holder.open:
            raise in_use(output, there)

    def _clear(self, output: Address, place: Address) -> None:
        """Delete what an earlier job's shards have left: it would be taken for this one's."""
        for folder in ("parts/", "errors/", BY_INPUT, "plan/"):
            left = [source.address for source in self.objects.list(output.under(folder))]
            self.objects.delete([address for address in left if address != place])


def in_use(output: Address, there: PrefixClaim) -> BatchRefused:
    """Make the refusal of a prefix that somebody else's job has."""
    return BatchRefused(
        f"output {output} is that of job {there.job}, which goes on: choose another prefix, or put "
        "{job} or {time} in it"
    )
