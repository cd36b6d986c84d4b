"""Which addresses a caller may name: its models' own, and the prefixes that the stage allows.

The functions' role reads and writes every model's files, so an address that a caller names is held
against its key before anything is read. What an upload or a schedule starts is the stage's own:
whoever can write to the bucket, or push a bundle, is trusted with it.

Which batch jobs a caller may see: those of the models in its scope.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from serval.access.api_key import Caller
from serval.batch.job.job import BatchJob
from serval.batch.job.keys import Address, read_address
from serval.batch.job.ports import JobStore
from serval.batch.start.job_request import AskedJob
from serval.errors import AddressOutOfScope, BatchJobNotFound, BatchRefused

FOLDERS = frozenset({".", ".."})
"""Parts of a key that some clients would resolve, so that it named another object."""
UNTOLD = "the API key may not read the job's input, so the reason is not shown"


@dataclass(frozen=True, slots=True)
class Reach:
    """Holds addresses against callers."""

    data_bucket: str
    allowed: tuple[Address, ...] = ()
    """Further prefixes; ``{model}`` in one stands for the job's model."""

    @classmethod
    def from_text(cls, data_bucket: str, prefixes: str) -> "Reach":
        """Read the stage's prefixes, split by commas."""
        texts = [text for text in prefixes.split(",") if text]
        return cls(data_bucket, tuple(read_address(text, "batch_prefixes") for text in texts))

    def check(self, caller: Caller, asked: AskedJob, output: Address) -> None:
        """Raise ``AddressOutOfScope`` if the caller may not read an input, or write the output."""
        own = list(self._prefixes(caller, asked.model))
        named = [("input", read_address(text, "input")) for text in asked.input]
        for what, address in (*named, ("output", output)):
            if FOLDERS.intersection(address.key.split("/")):
                raise BatchRefused(f"{what} {address}: a key without '.' and '..' parts expected")
            if not covered(address, own):
                raise AddressOutOfScope(what, str(address), [str(prefix) for prefix in own])

    def reads(self, caller: Caller, job: BatchJob) -> bool:
        """Tell whether a caller may see values of a job's records, and what became of them.

        Whoever may call every model sees those of every job, whatever has started it.
        """
        if caller.unscoped:
            return True
        own = list(self._prefixes(caller, job.model))
        return all(
            covered(read_address(text, "a job's address"), own)
            for text in (*job.input, job.output)
            if text
        )

    def delivers(self, caller: Caller, job: BatchJob) -> bool:
        """Tell whether a caller is handed what a job has written: where callers' jobs may write.

        What a schedule writes elsewhere is for those who may read there.
        """
        stage = list(self._prefixes(Caller(), job.model))
        return self.reads(caller, job) and covered(read_address(job.output, "output"), stage)

    def _prefixes(self, caller: Caller, model: str) -> Iterable[Address]:
        if caller.unscoped:
            yield Address(self.data_bucket, "batch/")
        else:
            for each in caller.among(()):
                yield Address(self.data_bucket, f"batch/{each}/")
        for prefix in self.allowed:
            yield Address(prefix.bucket, prefix.key.replace("{model}", model))


def covered(address: Address, prefixes: Iterable[Address]) -> bool:
    """Tell whether an object, or all that lies under a prefix, lies under one of these."""
    return any(
        address.bucket == prefix.bucket and address.key.startswith(prefix.key)
        for prefix in prefixes
    )


JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")


@dataclass(frozen=True, slots=True)
class JobAccess:
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
