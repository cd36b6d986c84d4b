"""What a caller may see and use: the jobs of its models, and the addresses that it may name.

The functions' role can read and write the files of every model, so each address that a caller names
is checked against the models of its key before anything is read. Jobs that an upload or a schedule
starts are not checked: whoever can write to the bucket or push a bundle is trusted.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from serval.access.api_key import Caller
from serval.batch.job.job import BatchJob
from serval.batch.job.keys import Address, read_address
from serval.batch.job.ports import JobStore
from serval.batch.start.job_request import JobRequest
from serval.errors import AddressOutOfScope, BatchJobNotFound, BatchRefused

FOLDERS = frozenset({".", ".."})
"""Parts of a key that some clients resolve, which would then name another object."""
UNTOLD = "the API key may not read the job's input, so the reason is not shown"


@dataclass(frozen=True, slots=True)
class AddressScope:
    """Checks addresses against what a caller may read and write."""

    data_bucket: str
    allowed: tuple[Address, ...] = ()
    """Further prefixes; ``{model}`` in one stands for the job's model."""

    @classmethod
    def from_text(cls, data_bucket: str, prefixes: str) -> "AddressScope":
        """Read the stage's prefixes, separated by commas."""
        texts = [text for text in prefixes.split(",") if text]
        return cls(data_bucket, tuple(read_address(text, "batch_prefixes") for text in texts))

    def check(self, caller: Caller, request: JobRequest, output: Address) -> None:
        """Raise ``AddressOutOfScope`` if the caller may not read an input or write the output."""
        own = list(self._prefixes(caller, request.model))
        named = [("input", read_address(text, "input")) for text in request.input]
        for what, address in (*named, ("output", output)):
            if FOLDERS.intersection(address.key.split("/")):
                raise BatchRefused(f"{what} {address}: a key without '.' and '..' parts expected")
            if not lies_under(address, own):
                raise AddressOutOfScope(what, str(address), [str(prefix) for prefix in own])

    def can_read(self, caller: Caller, job: BatchJob) -> bool:
        """Return whether a caller may see values of a job's records, and reasons that quote them.

        A caller that may call every model sees them for every job, whatever started it.
        """
        if caller.unscoped:
            return True
        own = list(self._prefixes(caller, job.model))
        return all(
            lies_under(read_address(text, "a job's address"), own)
            for text in (*job.input, job.output)
            if text
        )

    def can_download(self, caller: Caller, job: BatchJob) -> bool:
        """Return whether a caller may download a job's results: where callers' jobs may write.

        What a schedule writes elsewhere is for those who can read it there.
        """
        stage = list(self._prefixes(Caller(), job.model))
        return self.can_read(caller, job) and lies_under(read_address(job.output, "output"), stage)

    def _prefixes(self, caller: Caller, model: str) -> Iterable[Address]:
        if caller.unscoped:
            yield Address(self.data_bucket, "batch/")
        else:
            for each in caller.among(()):
                yield Address(self.data_bucket, f"batch/{each}/")
        for prefix in self.allowed:
            yield Address(prefix.bucket, prefix.key.replace("{model}", model))


def lies_under(address: Address, prefixes: Iterable[Address]) -> bool:
    """Return whether an object or a prefix lies under one of these prefixes."""
    return any(
        address.bucket == prefix.bucket and address.key.startswith(prefix.key)
        for prefix in prefixes
    )


JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")


@dataclass(frozen=True, slots=True)
class JobAccess:
    """Finds the jobs of the models in a caller's scope."""

    store: JobStore
    models: Callable[[], Sequence[str]]
    """Returns the registered models."""

    def job(self, caller: Caller, job_id: str) -> BatchJob:
        """Return a job, or raise ``BatchJobNotFound`` if it does not exist or is out of scope."""
        found = self.store.find(job_id) if JOB_ID.fullmatch(job_id) else None
        if found is None or not caller.allows(found.model):
            raise BatchJobNotFound(job_id)
        return found

    def newest(self, caller: Caller, limit: int) -> list[BatchJob]:
        """List the newest jobs of all models in a caller's scope, newest first."""
        found = [
            job
            for model in self.models()
            if caller.allows(model)
            for job in self.store.of_model(model, limit)
        ]
        return sorted(found, key=lambda job: (job.created, job.id), reverse=True)[:limit]
