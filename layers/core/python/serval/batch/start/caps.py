"""Limits on the batch jobs of one API key: how many, and how finely they are cut.

Shards share the account's concurrency on Lambda, and the machines of a fleet, in other ways.
Callers whom the gateway authenticated have only the gateway's limits.
"""

from dataclasses import dataclass

from serval.access.admission import RateCounter
from serval.access.api_key import Caller
from serval.batch.job.ports import JobStore
from serval.batch.start.job_request import JobRequest
from serval.errors import BatchRefused, TooManyBatchJobs

COUNTED_JOBS = 100
"""Newest jobs of the model among which the open jobs of a key are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """Enforces what the stage allows each API key."""

    limits: RateCounter
    store: JobStore
    per_minute: int
    """Jobs that a key may start, preview or retry in a minute."""
    open_jobs: int
    """Open jobs that a key may have for a model."""
    least_shard_bytes: int
    """The smallest shards that a caller may ask for: every shard costs requests, however small."""

    def count_call(self, caller: Caller) -> None:
        """Count one more call that reads an input, or raise ``RateLimited``."""
        if caller.key_hash is not None:
            self.limits.take(caller.key_hash, self.per_minute)

    def check_shard_size(self, request: JobRequest) -> None:
        """Refuse a job whose shards would be smaller than the stage allows."""
        if request.options.shard_bytes < self.least_shard_bytes:
            raise BatchRefused(
                f"shard_bytes: {request.options.shard_bytes} given, at least "
                f"{self.least_shard_bytes} expected: the stage's setting batch_least_shard_bytes"
            )

    def check_open_jobs(self, caller: Caller, model: str) -> None:
        """Raise ``TooManyBatchJobs`` if the caller has too many open jobs of a model."""
        if caller.key_hash is None:
            return
        newest = self.store.of_model(model, COUNTED_JOBS)
        own = sum(job.open and job.submitter == caller.key_hash for job in newest)
        if own >= self.open_jobs:
            raise TooManyBatchJobs(model, self.open_jobs)
