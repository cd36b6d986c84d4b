"""Claims on output prefixes: each belongs to one job at a time, so that parts never mix.

A claim is an object under the prefix that names the stage and the job. A job that takes over a
prefix first writes its claim marked ``clearing``, deletes what the earlier job left, and then
writes the claim without the mark. If it dies between, it finds its marked claim and clears again. A
retried job renews its claim, so that a job which saw it ended cannot take the prefix.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from serval.batch.job.job import BatchJob
from serval.batch.job.keys import (
    BY_INPUT,
    Address,
    JobKeys,
    check_apart,
    default_output,
    fill_template,
    read_address,
)
from serval.batch.job.options import JobOptions
from serval.batch.job.ports import BatchObjects, JobStore
from serval.errors import BatchRefused


@dataclass(frozen=True, slots=True)
class PrefixClaim:
    """Who owns a prefix."""

    stage: str
    job: str
    attempt: int = 1
    clearing: bool = False

    def is_same_job(self, other: "PrefixClaim") -> bool:
        """Return whether another claim is by the same job."""
        return (self.stage, self.job) == (other.stage, other.job)

    def to_json(self) -> bytes:
        """Return the bytes of the claim."""
        claim: dict[str, Any] = {"job": self.job, "stage": self.stage}
        if self.attempt > 1:
            claim["attempt"] = self.attempt
        return json.dumps(claim | ({"clearing": True} if self.clearing else {})).encode()

    @classmethod
    def from_json(cls, body: bytes, stage: str) -> "PrefixClaim":
        """Read a claim; one without a stage is of this stage, any other object of no job."""
        try:
            value = json.loads(body)
            return cls(
                str(value.get("stage", stage)),
                str(value["job"]),
                int(value.get("attempt", 1)),
                bool(value.get("clearing")),
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            return cls(stage, "")


@dataclass(frozen=True, slots=True)
class Prefixes:
    """Claims output prefixes for the jobs of a stage."""

    objects: BatchObjects
    store: JobStore
    stage: str

    def claim(self, job: BatchJob, output: Address) -> None:
        """Claim a prefix for a job, and clear it of the parts of an earlier job that has ended.

        The earlier job's output file stays until this job replaces it.

        Raises
        ------
        BatchRefused
            If the prefix belongs to a running job or to another stage, or what a retry would go on
            with is gone.
        """
        place = Address(output.bucket, JobKeys(output.key).owner)
        mine = PrefixClaim(self.stage, job.id, job.attempt)
        body = self.objects.claim(place, mine.to_json())
        holder = PrefixClaim.from_json(body, self.stage)
        if not holder.is_same_job(mine):
            self._refuse_unless_free(job, output, holder)
            body = self.objects.claim(
                place, replace(mine, clearing=True).to_json(), instead_of=body
            )
        elif holder.attempt < job.attempt:
            renewed = replace(holder, attempt=job.attempt)
            body = self.objects.claim(place, renewed.to_json(), instead_of=body)
        holder = PrefixClaim.from_json(body, self.stage)
        if not holder.is_same_job(mine):
            raise prefix_in_use(output, holder)
        if holder.clearing:
            self._clear(output, place)
            self.objects.claim(place, mine.to_json(), instead_of=body)

    def _refuse_unless_free(self, job: BatchJob, output: Address, holder: PrefixClaim) -> None:
        if job.attempt > 1:
            raise BatchRefused(
                f"output {output} has been job {holder.job}'s since, so that nothing is left to "
                "go on with: start the job anew"
            )
        if holder.stage != self.stage:
            raise BatchRefused(
                f"output {output} is that of job {holder.job} of stage {holder.stage!r}: choose "
                "another prefix, or delete what is under this one"
            )
        found = self.store.find(holder.job)
        if found is not None and found.open:
            raise prefix_in_use(output, holder)

    def _clear(self, output: Address, place: Address) -> None:
        """Delete what an earlier job's shards left, which would be taken for this job's."""
        for folder in ("parts/", "errors/", BY_INPUT, "plan/"):
            left = [source.address for source in self.objects.list(output.under(folder))]
            self.objects.delete([address for address in left if address != place])


def prefix_in_use(output: Address, holder: PrefixClaim) -> BatchRefused:
    """Return the refusal of a prefix that a running job owns."""
    return BatchRefused(
        f"output {output} is that of job {holder.job}, which goes on: choose another prefix, or "
        "put {job} or {time} in it"
    )


def output_prefix(
    model: str,
    inputs: Iterable[str],
    options: JobOptions,
    data_bucket: str,
    job: str,
    moment: datetime,
) -> Address:
    """Return the prefix to write under: the requested one, filled in, or the job's default.

    Raises
    ------
    BatchRefused
        If an address is invalid, or the output would become input again.
    """
    requested = options.output.prefix
    if requested is None:
        output = default_output(data_bucket, model, job)
    else:
        text = fill_template(requested, model, job, moment)
        output = read_address(text if text.endswith("/") else f"{text}/", "output")
    check_apart(output, [read_address(address, "input") for address in inputs], data_bucket)
    return output
