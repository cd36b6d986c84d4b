"""``plan``: cut an input into shards, or a CSV file that must be scanned first into ranges."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from serval.batch.assemble.per_input import check_per_input
from serval.batch.input.parquet.columns import find_joined_types
from serval.batch.job import lifecycle
from serval.batch.job.cost import (
    COMPARED_JOBS,
    Estimate,
    estimate_job,
    expected_seconds_per_row,
)
from serval.batch.job.job import BatchJob
from serval.batch.job.keys import Address, JobKeys, read_address
from serval.batch.job.layout import Layout, ShardItem, to_lines
from serval.batch.job.lifecycle import change_job
from serval.batch.job.options import JobOptions
from serval.batch.job.outcomes import cancelled_outcome, refused_outcome
from serval.batch.plan.draft import Pace, check_batches, draft_layout
from serval.batch.plan.pack import (
    PackedFiles,
    Packer,
    count_shards,
    least_shard_bytes,
    number_shards,
)
from serval.batch.plan.release import ReleaseShards
from serval.batch.plan.survey import Survey, Surveyor
from serval.batch.start.job_request import JobRequest
from serval.clock import Clock, utc_now
from serval.errors import BatchRefused
from serval.models.version import ModelVersion

AT_ONCE = 16
"""Concurrent requests to S3."""


class PlanRegistry(Protocol):
    """The registry, as far as planning reads it."""

    def version(self, model: str, version: str) -> ModelVersion:
        """Return a version, or raise ``ModelVersionNotFound``."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Plans jobs, and previews them."""

    release_shards: ReleaseShards
    registry: PlanRegistry
    memory_mib: int
    """Memory of ``shard``."""
    machine_prices: Mapping[str, int] = field(default_factory=dict)
    """Microdollars an hour of a machine, by fleet, where they are known."""
    unreachable: Mapping[str, str] = field(default_factory=dict)
    """Model → why no batch job of it can run."""
    clock: Clock = utc_now
    timer: Callable[[], float] = time.perf_counter

    def plan(self, job_id: str) -> dict[str, Any]:
        """Plan a job; a retried job keeps its plan.

        Returns
        -------
        dict
            ``outcome``: ``scan`` with the ``ranges``, ``shards`` with the ``items``, ``assemble``
            if there are none, ``cancelled``, or ``refused`` with the ``reason``.
        """
        started = self.timer()
        job = self.release_shards.find(job_id)
        if job.stopping:
            return cancelled_outcome(job)
        before = job
        job = change_job(
            self.release_shards.store, job, lambda row: lifecycle.plan(row, self.clock())
        )
        if job.status != before.status:
            self.release_shards.announce(job)
        try:
            if (items := self.release_shards.read_plan(job)) is not None:
                return self.release_shards.release(
                    job, items, self.release_shards.estimate(job), started
                )
            if job.shards:
                raise BatchRefused("the plan that it had is gone: start the job anew")
            return self._plan(job, started)
        except BatchRefused as reason:
            return refused_outcome(job, str(reason))

    def preview(self, request: JobRequest, version: str) -> Estimate:
        """Estimate what a job would take, without starting anything.

        Raises
        ------
        BatchRefused
            If the job would be refused for its input or its options.
        """
        record = self._record(request.model, version)
        inputs = [read_address(address, "input") for address in request.input]
        survey = Surveyor(self.release_shards.objects).survey(
            inputs, None, request.options, record.batch_signature, features_of(record)
        )
        signature, for_task = record.batch_signature, record.answers_in_json
        layout = draft_layout(
            survey, request.options, signature, Pace.of(record), for_task=for_task
        )
        if layout.per_input:
            check_per_input(layout, survey.sources, inputs, "")
        shard_bytes, sizes = size_shards(survey, request.options, Pace.of(record))
        scanned = layout.quoted and layout.is_cut and max(sizes) > shard_bytes
        shards = count_shards(shard_bytes, sizes, cut=layout.is_cut)
        found = self._estimate(survey, layout, record, request.options, shards, int(scanned))
        first = survey.table.first if survey.table else {}
        return replace(found, columns=tuple(each.to_json(first) for each in survey.matches))

    def _record(self, model: str, version: str) -> ModelVersion:
        """Return the version, or raise ``BatchRefused`` if it cannot run batch jobs."""
        if (reason := self.unreachable.get(model)) is not None:
            raise BatchRefused(f"model {model!r}: {reason}")
        record = self.registry.version(model, version)
        check_batches(record.batch_signature)
        return record

    def _plan(self, job: BatchJob, started: float) -> dict[str, Any]:
        record = self._record(job.model, job.version or "")
        pace = Pace.of(record)
        inputs = [read_address(address, "input") for address in job.input]
        survey = Surveyor(self.release_shards.objects).survey(
            inputs, job.input_version, job.options, record.batch_signature, features_of(record)
        )
        signature, for_task = record.batch_signature, record.answers_in_json
        layout = draft_layout(survey, job.options, signature, pace, for_task=for_task)
        if layout.per_input:
            check_per_input(layout, survey.sources, inputs, read_address(job.output, "output").key)
        shard_bytes, sizes = size_shards(survey, job.options, pace)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            if joins_files(survey, layout):
                own = [name for name in layout.joined if name not in layout.partitions]
                types = find_joined_types(self.release_shards.objects, survey.sources, own, pool)
                layout = replace(layout, joined_types=types)
            packer = Packer(job.id, self.release_shards.objects, layout, shard_bytes, pool)
            packed = packer.pack(survey.sources, sizes)
        output, keys = self._places(job)
        self._write(output, keys.plan, json.dumps(layout.to_json()).encode())
        if packed.files:
            self._write(output, keys.files, packed.files)
        if packed.footers:
            self._write(output, keys.footers, packed.footers)
        estimate = self._estimate(
            survey,
            layout,
            record,
            job.options,
            count_shards(shard_bytes, sizes, cut=layout.is_cut),
            len(packed.ranges),
            packed.rows,
        )
        self.release_shards.keep(job, estimate)
        if packed.ranges:
            return self._to_scan(job, packed)
        items = number_shards([item for item in packed.outline if isinstance(item, ShardItem)])
        self._write(output, keys.shards, to_lines(items))
        return self.release_shards.release(job, items, estimate, started)

    def _to_scan(self, job: BatchJob, packed: PackedFiles) -> dict[str, Any]:
        output, keys = self._places(job)
        self._write(output, keys.outline, to_lines(packed.outline))
        self._write(output, keys.ranges, to_lines(packed.ranges))
        return {
            "outcome": "scan",
            "job": job.id,
            "ranges": {"bucket": output.bucket, "key": keys.ranges},
            "count": len(packed.ranges),
        }

    def _estimate(
        self,
        survey: Survey,
        layout: Layout,
        record: ModelVersion,
        options: JobOptions,
        shards: int,
        scans: int,
        counted: int | None = None,
    ) -> Estimate:
        earlier = self.release_shards.store.of_model(record.model, COMPARED_JOBS)
        pace = Pace.of(record)
        form = form_of(layout)
        on_fleet = record.model in self.release_shards.fleets
        return estimate_job(
            form=form,
            files=len(survey.sources),
            input_bytes=survey.size_bytes,
            rows=survey.estimated_rows if counted is None else counted,
            exact=counted is not None or layout.format == "objects",
            shards=shards,
            scans=scans,
            seconds_of_row=expected_seconds_per_row(
                earlier, record.version, form, options, pace.rows_per_second, survey.row_bytes
            ),
            concurrency=self.release_shards.at_once(record.model, options),
            memory_mib=0 if on_fleet else self.memory_mib + record.handler_memory_mib,
            machine_microdollars_hour=self.machine_prices.get(
                self.release_shards.fleets.get(record.model, ""), 0
            ),
            columns=tuple(each.to_json() for each in survey.matches),
        )

    def _places(self, job: BatchJob) -> tuple[Address, JobKeys]:
        output = read_address(job.output, "output")
        return output, JobKeys(output.key)

    def _write(self, output: Address, key: str, body: bytes) -> None:
        self.release_shards.objects.put(Address(output.bucket, key), body)


def features_of(record: ModelVersion) -> Mapping[str, Sequence[str]]:
    """Return the names of the inputs' elements from the version's ``model.yaml``."""
    named: Mapping[str, Sequence[str]] = record.bundle.get("columns", {})
    return named


def joins_files(survey: Survey, layout: Layout) -> bool:
    """Return whether columns of several Parquet files are written to one file."""
    own = (layout.format, layout.output) == ("parquet", "parquet") and not layout.per_input
    return own and layout.join and len(survey.sources) > 1


def form_of(layout: Layout) -> str:
    """Return format and compression of an input as one name, by which jobs are compared."""
    packed = f".{layout.compression}" if layout.compression != "none" else ""
    return f"{layout.format}{packed}"


def size_shards(survey: Survey, options: JobOptions, pace: Pace) -> tuple[int, Sequence[int]]:
    """Return the size of a shard, and what each file counts toward it."""
    sizes = [source.size_bytes for source in survey.sources]
    row_bytes = survey.row_bytes
    if survey.kind.format == "objects":
        # Small objects count as ordinary ones, since the model takes as long for them.
        sizes = [max(size, int(row_bytes)) for size in sizes]
    elif survey.inflation != 1.0:
        sizes = [int(size * survey.inflation) for size in sizes]
    wished = pace.shard_bytes(options.shard_bytes, row_bytes)
    if options.output.per_input:
        # No two files share a shard.
        sizes = [max(size, wished) for size in sizes]
    return least_shard_bytes(wished, sizes), sizes
