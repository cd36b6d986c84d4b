"""How much of the stage one API key may take with batch jobs.

Shards of all jobs have a share of the account on Lambda, and what its fleet has on a fleet. This
is about how many jobs there are, and how finely they are cut. Callers whom the gateway let in have
the gateway's limits alone.
"""

from dataclasses import dataclass

from serval.access.admission import RateCounter
from serval.access.api_key import Caller
from serval.batch.job.ports import JobStore
from serval.batch.start.job_request import AskedJob
from serval.errors import BatchRefused, TooManyBatchJobs

LOOKED_AT = 100
"""Jobs of the model, newest first, among which a key's open ones are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """Holds API keys to what the stage allows each."""

    limits: RateCounter
    store: JobStore
    per_minute: int
    """Jobs that a key may start, try or run again in a minute."""
    open_jobs: int
    """Jobs of a model that a key may have open."""
    least_shard_bytes: int
    """The smallest shards that a caller may ask for: each costs requests, however small it is."""

    def count(self, caller: Caller) -> None:
        """Count one more call that reads an input, or raise ``RateLimited``."""
        if caller.key_hash is not None:
            self.limits.take(caller.key_hash, self.per_minute)

    def check(self, asked: AskedJob) -> None:
        """Refuse a job that is to be cut more finely than the stage allows."""
        if asked.options.shard_bytes < self.least_shard_bytes:
            raise BatchRefused(
                f"shard_bytes: {asked.options.shard_bytes} given, at least "
                f"{self.least_shard_bytes} expected: the stage's setting batch_least_shard_bytes"
            )

    def make_room(self, caller: Caller, model: str) -> None:
        """Raise ``TooManyBatchJobs`` if the caller has as many open jobs of a model as it may."""
        if caller.key_hash is None:
            return
        newest = self.store.of_model(model, LOOKED_AT)
        own = sum(job.open and job.submitter == caller.key_hash for job in newest)
        if own >= self.open_jobs:
            raise TooManyBatchJobs(model, self.open_jobs)
