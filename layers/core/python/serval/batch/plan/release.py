"""Release of a job's shards, the last part of ``plan`` and of ``cut``."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from serval.batch.job import lifecycle
from serval.batch.job.cost import Estimate
from serval.batch.job.fleet_jobs import fleet_job_name
from serval.batch.job.job import BatchJob
from serval.batch.job.keys import Address, JobKeys, read_address
from serval.batch.job.layout import ShardItem, read_shards, to_lines
from serval.batch.job.lifecycle import JobPlan, change_job
from serval.batch.job.options import JobOptions
from serval.batch.job.ports import Announce, BatchObjects, JobStore
from serval.clock import Clock, utc_now
from serval.errors import BatchJobNotFound, BatchRefused

TakeOn = Callable[[str, str], object]
"""Has a fleet work on a job's shards; the job's name is that of ``serval.batch.job.fleet_jobs``."""


@dataclass(frozen=True, slots=True)
class ReleaseShards:
    """Releases the shards of planned jobs."""

    objects: BatchObjects
    store: JobStore
    announce: Announce
    fleets: Mapping[str, str]
    """Fleet of each model that has one."""
    take_on: TakeOn
    shards_at_once: int
    """Shards of one job that run at once on Lambda, whatever the job asks for."""
    clock: Clock = utc_now
    timer: Callable[[], float] = time.perf_counter

    def at_once(self, model: str, options: JobOptions) -> int:
        """Return how many shards run at once; only those on Lambda are capped."""
        if model in self.fleets:
            return options.concurrency
        return min(options.concurrency, self.shards_at_once)

    def find(self, job_id: str) -> BatchJob:
        """Return a job that must exist."""
        job = self.store.find(job_id)
        if job is None:
            raise BatchJobNotFound(job_id)
        return job

    def read_plan(self, job: BatchJob) -> list[ShardItem] | None:
        """Return the shards planned by an earlier attempt or call; None if there is no plan yet."""
        output = read_address(job.output, "output")
        lines = self.objects.get(Address(output.bucket, JobKeys(output.key).shards))
        if lines is None:
            return None
        return list(read_shards(lines))

    def keep(self, job: BatchJob, estimate: Estimate) -> None:
        """Store the estimate for a later step or attempt that releases the shards."""
        self.objects.put(self._place(job), json.dumps(estimate.to_json()).encode())

    def estimate(self, job: BatchJob) -> Estimate:
        """Read the estimate that an earlier step or attempt stored."""
        place = self._place(job)
        body = self.objects.get(place)
        if body is None:
            raise BatchRefused(f"{place} is gone: start the job anew")
        return Estimate.from_json(json.loads(body))

    def release(
        self,
        job: BatchJob,
        items: Sequence[ShardItem],
        estimate: Estimate,
        started: float,
        scans: int = 0,
        scan_ms: int = 0,
    ) -> dict[str, Any]:
        """Release the shards that are not done; the list of shards is already stored."""
        output = read_address(job.output, "output")
        keys = JobKeys(output.key)
        done = {record.index for record in self.store.shards(job.id) if record.done}
        remaining = [item for item in items if item.index not in done]
        key = keys.shards
        if done:
            key = keys.remaining(job.attempt)
            self.objects.put(Address(output.bucket, key), to_lines(remaining))
        plan_ms = round((self.timer() - started) * 1e3)
        planned = job_plan(estimate, job, len(items), plan_ms, scans, scan_ms)
        running = change_job(self.store, job, lambda row: lifecycle.run(row, planned, self.clock()))
        if running.status != job.status:
            self.announce(running)
        fleet = self.fleets.get(job.model)
        if fleet is not None and remaining:
            self.take_on(fleet, fleet_job_name(running))
        return {
            "outcome": "shards" if remaining else "assemble",
            "job": job.id,
            "model": job.model,
            "fleet": fleet,
            "items": {"bucket": output.bucket, "key": key},
            "count": len(remaining),
            "concurrency": self.at_once(job.model, job.options),
            "tolerated_failed_percent": job.options.tolerated_failed_shards_percent,
        }

    def _place(self, job: BatchJob) -> Address:
        output = read_address(job.output, "output")
        return Address(output.bucket, JobKeys(output.key).estimate)


def job_plan(
    estimate: Estimate, job: BatchJob, shards: int, plan_ms: int, scans: int, scan_ms: int
) -> JobPlan:
    """Return what a planned job's row records."""
    return JobPlan(
        format=estimate.format,
        files=estimate.files,
        input_bytes=estimate.input_bytes,
        estimated_rows=estimate.rows,
        exact_rows=estimate.exact,
        shards=shards,
        estimated_seconds=estimate.seconds,
        estimated_microdollars=estimate.microdollars,
        machine_microdollars_hour=estimate.machine_microdollars_hour,
        columns=estimate.columns,
        plan_ms=plan_ms,
        scans=scans or job.scans,
        scan_ms=scan_ms or job.scan_ms,
    )
