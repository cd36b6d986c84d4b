"""Starting a batch job for a caller: first the row, then the execution named after it.

A crash between the two leaves a queued row. The same call with the same key starts it, and so does
a retry.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from serval.access.api_key import Caller
from serval.batch.job.job import BatchJob, new_job_id
from serval.batch.job.keys import Address
from serval.batch.job.ports import Announce, Executions, JobStore
from serval.batch.start.caps import Caps
from serval.batch.start.job_request import JobRequest
from serval.batch.start.scope import AddressScope
from serval.clock import Clock, timestamp, utc_now
from serval.errors import BatchConflict, BatchJobNotFound, InvalidParameter
from serval.models.version import add_tag, remove_tag

KEY = "idempotency-key"
MOST_KEY_CHARACTERS = 255


@dataclass(frozen=True, slots=True)
class StartJob:
    """Starts the jobs that callers ask for."""

    store: JobStore
    executions: Executions
    announce: Announce
    scope: AddressScope
    caps: Caps
    clock: Clock = utc_now

    def start(self, request: JobRequest, caller: Caller, key: str | None = None) -> BatchJob:
        """Create a job, or return the one that an earlier call with the same key created.

        Raises
        ------
        BatchRefused
            If an address or a template is invalid, or the job would read its own output.
        AddressOutOfScope
            If the caller may not have a job read or write there.
        TooManyBatchJobs
            If the caller has reached its limit of open jobs.
        BatchConflict
            If the key was used for another request.
        """
        now = self.clock()
        model = request.model
        job_id = new_job_id(now, model) if key is None else keyed_job_id(caller, key, model)
        output = self._output(request, caller, job_id, now)
        if key is not None and (found := self._standing(job_id, model)) is not None:
            return self._again(job_id, found, request, caller)
        self.caps.check_open_jobs(caller, model)
        job = BatchJob(
            id=job_id,
            model=model,
            created=timestamp(now),
            updated=timestamp(now),
            input=request.input,
            output=str(output),
            options=request.options,
            submitter=caller.key_hash,
        )
        if not self.store.create(job):
            return self._again(job_id, self.store.find(job_id), request, caller)
        self.announce(job)
        self.executions.start(execution_name(job), job.id)
        return job

    def output(self, request: JobRequest, caller: Caller) -> str:
        """Return where a job would write, with ``{job}`` for its id; raises as ``start`` does."""
        return str(self._output(request, caller, "{job}", self.clock()))

    def _output(self, request: JobRequest, caller: Caller, job_id: str, now: datetime) -> Address:
        output = request.output(self.scope.data_bucket, job_id, now)
        self.scope.check(caller, request, output)
        self.caps.check_shard_size(request)
        return output

    def _standing(self, job_id: str, model: str) -> BatchJob | None:
        """Find the job of a key; an earlier version of Serval gave it an id without a tag."""
        earlier = self.store.find(remove_tag(job_id))
        if earlier is not None and earlier.model == model:
            return earlier
        return self.store.find(job_id)

    def _again(
        self, job_id: str, found: BatchJob | None, request: JobRequest, caller: Caller
    ) -> BatchJob:
        if found is None or not caller.allows(found.model):
            raise BatchJobNotFound(job_id)
        if (found.model, found.input, found.options) != (
            request.model,
            request.input,
            request.options,
        ):
            raise BatchConflict(
                found.id, f"something else was asked with this {KEY}: use another key"
            )
        if found.status == "queued":
            self.executions.start(execution_name(found), found.id)
        return found


def keyed_job_id(caller: Caller, key: str, model: str) -> str:
    """Return the job id for an idempotency key, which is separate for each caller and model.

    Raises
    ------
    InvalidParameter
        If the key is empty or too long.
    """
    if not key.strip() or len(key) > MOST_KEY_CHARACTERS:
        raise InvalidParameter(KEY, key, f"1 to {MOST_KEY_CHARACTERS} characters")
    claim = f"{caller.key_hash or ''}\0{key.strip()}"
    digest = hashlib.sha256(claim.encode(errors="surrogatepass")).hexdigest()
    return add_tag(f"key-{digest[:24]}", model)


def execution_name(job: BatchJob) -> str:
    """Return the name of a job's execution, a different one for each attempt."""
    return job.id if job.attempt == 1 else f"{job.id}-{job.attempt}"
