"""``accept``: turn one upload, call or scheduled event into one job, or refuse it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from serval.batch.input.find import Finder
from serval.batch.job import lifecycle
from serval.batch.job.job import BatchJob, claimed_job_id
from serval.batch.job.keys import (
    OPTIONS_SUFFIX,
    Address,
    check_apart,
    check_within,
    parse_input_key,
    read_address,
)
from serval.batch.job.lifecycle import JobTotals, change_job
from serval.batch.job.options import DEFAULTS, JobOptions
from serval.batch.job.outcomes import cancelled_outcome, ignored_outcome, refused_outcome
from serval.batch.job.ports import Announce, BatchObjects, JobStore
from serval.batch.start.job_request import JobRequest
from serval.batch.start.prefixes import Prefixes, output_prefix
from serval.clock import Clock, timestamp, utc_now
from serval.errors import (
    BatchJobNotFound,
    BatchRefused,
    MalformedBody,
    ModelNotFound,
    ModelVersionNotFound,
    PayloadTooLarge,
)
from serval.foreign import ObjectCreated, read_document
from serval.models.route import Route
from serval.models.version import ModelVersion, remove_tag

EXPECTATION = (
    "batch/<model>/in/<file> expected, where <file> begins with neither '.' nor '_' and does not "
    f"end in {OPTIONS_SUFFIX}"
)


class StableVersions(Protocol):
    """The registry, as far as accepting a job reads it."""

    def route(self, model: str) -> Route:
        """Return a model's route, or raise ``ModelNotFound``."""

    def version(self, model: str, version: str) -> ModelVersion:
        """Return a version, or raise ``ModelVersionNotFound``."""


@dataclass(frozen=True, slots=True)
class Accept:
    """Accepts what starts an execution."""

    objects: BatchObjects
    store: JobStore
    registry: StableVersions
    announce: Announce
    data_bucket: str
    stage: str
    clock: Clock = utc_now

    def accept(self, event: Mapping[str, Any], owner: str) -> dict[str, Any]:
        """Accept an event; the same execution may send it again.

        Parameters
        ----------
        event
            An upload's EventBridge event (with ``origin`` ``upload`` or without any); or
            ``origin`` ``api`` with the ``job`` whose row exists; or ``origin`` ``schedule`` with
            ``model``, ``name``, ``time`` and the request: ``input``, ``output``, ``options``.

        Returns
        -------
        dict
            ``outcome``: ``ignored`` (not for us, or another execution's), ``refused`` with the
            ``reason``, ``cancelled``, or ``accepted`` with the ``job``.
        """
        match event.get("origin", "upload"):
            case "api":
                return self._accept_call(str(event["job"]), owner)
            case "schedule":
                return self._accept_schedule(event, owner)
            case "upload":
                return self._accept_upload(ObjectCreated.from_event(event), owner)
        return ignored_outcome(f"origin {event['origin']!r} is not known")

    def _accept_call(self, job_id: str, owner: str) -> dict[str, Any]:
        job = self.store.find(job_id)
        if job is None:
            raise BatchJobNotFound(job_id)
        return self._begin(job, owner, None)

    def _accept_upload(self, created: ObjectCreated, owner: str) -> dict[str, Any]:
        model = parse_input_key(created.key)
        if model is None:
            return ignored_outcome(f"{created.key!r} is no input of a batch job: {EXPECTATION}")
        address = Address(created.bucket, created.key)
        source = self.objects.find(address, created.version_id)
        if source is None:
            return ignored_outcome(f"{address} is no longer there")
        job_id = claimed_job_id(
            model, source.modified, created.bucket, created.key, source.version_id or source.etag
        )
        options, problem = self._read_options(address)
        now = timestamp(self.clock())
        job = BatchJob(
            id=job_id,
            model=model,
            origin="upload",
            created=now,
            updated=now,
            input=(str(address),),
            input_version=source.version_id,
            options=options,
            owner=owner,
        )
        return self._create(job, owner, problem)

    def _accept_schedule(self, event: Mapping[str, Any], owner: str) -> dict[str, Any]:
        moment = datetime.fromisoformat(event["time"])
        model, name = str(event["model"]), str(event.get("name", ""))
        job_id = claimed_job_id(model, timestamp(moment), "schedule", model, name)
        now = timestamp(self.clock())
        job = BatchJob(
            id=job_id,
            model=model,
            origin="schedule",
            name=name,
            created=now,
            updated=now,
            owner=owner,
        )
        try:
            wanted = {key: event[key] for key in ("input", "output", "options") if event.get(key)}
            request = JobRequest.from_json(model, wanted).fill_templates(moment)
            output = request.output(self.data_bucket, job_id, moment)
        except BatchRefused as reason:
            return self._create(job, owner, str(reason))
        described = replace(job, input=request.input, output=str(output), options=request.options)
        return self._create(described, owner, None)

    def _create(self, job: BatchJob, owner: str, problem: str | None) -> dict[str, Any]:
        """Create the row of a job that may start only once; it belongs to the first execution.

        An earlier version of Serval may have created it under an id without a tag.
        """
        earlier = self.store.find(remove_tag(job.id))
        if earlier is not None or not self.store.create(job):
            found = earlier or self.store.find(job.id)
            if found is None or found.owner != owner:
                return ignored_outcome(f"job {job.id} was started for this before")
            job = found
        else:
            self.announce(job)
        return self._begin(job, owner, problem)

    def _begin(self, job: BatchJob, owner: str, problem: str | None) -> dict[str, Any]:
        """Check a job and assign it to its execution."""
        if job.owner not in (None, owner):
            return ignored_outcome(f"job {job.id} is another execution's")
        if job.stopping:
            return (
                cancelled_outcome(job)
                if job.open
                else ignored_outcome(f"job {job.id} has {job.status}")
            )
        try:
            if problem is not None:
                raise BatchRefused(problem)
            version, output = self._check_job(job)
        except (BatchRefused, ModelNotFound, ModelVersionNotFound) as reason:
            return self._refuse(job, str(reason))
        change_job(
            self.store,
            job,
            lambda row: lifecycle.claim(row, owner, version, str(output), self.clock()),
        )
        return {"outcome": "accepted", "job": job.id, "model": job.model}

    def _check_job(self, job: BatchJob) -> tuple[str, Address]:
        """Return the version that the job keeps, and its output prefix.

        Raises
        ------
        BatchRefused, ModelNotFound, ModelVersionNotFound
            If the job cannot run.
        """
        version = job.version or self.registry.route(job.model).stable
        record = self.registry.version(job.model, version)
        output = self._output(job)
        inputs = [read_address(address, "input") for address in job.input]
        check_apart(output, inputs, self.data_bucket)
        if record.on_fleet:
            check_within(job.model, [*inputs, output], self.data_bucket)
        finder = Finder(self.objects)
        if job.attempt == 1:
            sources = finder.first(inputs, job.input_version)
            finder.kind(sources, job.options, record.batch_signature)
        Prefixes(self.objects, self.store, self.stage).claim(job, output)
        return version, output

    def _output(self, job: BatchJob) -> Address:
        if job.output:
            return read_address(job.output, "output")
        created = datetime.fromisoformat(job.created)
        return output_prefix(job.model, job.input, job.options, self.data_bucket, job.id, created)

    def _read_options(self, address: Address) -> tuple[JobOptions, str | None]:
        """Read the options beside an upload, or return the defaults and what is wrong."""
        beside = Address(address.bucket, f"{address.key}{OPTIONS_SUFFIX}")
        body = self.objects.get(beside)
        if body is None:
            return DEFAULTS, None
        try:
            return JobOptions.from_json(read_document(body, "the file")), None
        except (BatchRefused, MalformedBody, PayloadTooLarge) as reason:
            return DEFAULTS, f"{beside}: {reason}"

    def _refuse(self, job: BatchJob, reason: str) -> dict[str, Any]:
        closed = change_job(
            self.store,
            job,
            lambda row: lifecycle.fail(row, reason, JobTotals(), self.clock()),
        )
        self.announce(closed)
        return refused_outcome(closed, reason)
