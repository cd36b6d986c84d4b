"""``assemble``: write the output file and the summary, or report why the job fails."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from serval.batch.assemble.join import Join, TooLarge
from serval.batch.assemble.summary import ShardTally, add_reasons, summary_bytes
from serval.batch.job import lifecycle
from serval.batch.job.job import BatchJob, ShardRecord
from serval.batch.job.keys import Address, JobKeys, read_address
from serval.batch.job.layout import Layout, ShardItem, read_shards
from serval.batch.job.lifecycle import change_job
from serval.batch.job.outcomes import cancelled_outcome, refused_outcome
from serval.batch.job.ports import Announce, BatchObjects, JobStore
from serval.batch.shard.watch import describe_rejects
from serval.clock import Clock, utc_now
from serval.errors import BatchJobNotFound, BatchRefused

AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Assemble:
    """Assembles the output of jobs."""

    objects: BatchObjects
    store: JobStore
    announce: Announce
    clock: Clock = utc_now
    timer: Callable[[], float] = time.perf_counter

    def assemble(self, job_id: str) -> dict[str, Any]:
        """Assemble a job's output; it may be called again after its answer was lost.

        Returns
        -------
        dict
            ``outcome``: ``succeeded``, ``cancelled``, or ``refused`` with the ``reason``.
        """
        started = self.timer()
        job = self.store.find(job_id)
        if job is None:
            raise BatchJobNotFound(job_id)
        if job.status == "succeeded":
            return {"outcome": "succeeded", "job": job.id}
        if job.stopping:
            return cancelled_outcome(job)
        before = job.status
        job = change_job(self.store, job, lambda row: lifecycle.assemble(row, self.clock()))
        if job.status != before:
            self.announce(job)
        try:
            return self._assemble(job, started)
        except BatchRefused as reason:
            return refused_outcome(job, str(reason))

    def _assemble(self, job: BatchJob, started: float) -> dict[str, Any]:
        output = read_address(job.output, "output")
        keys = JobKeys(output.key)
        items = list(read_shards(self._read(Address(output.bucket, keys.shards))))
        tally = ShardTally(tuple(self.store.shards(job.id)))
        check_failed(job, items, tally)
        check_rejected(job, tally)
        layout = Layout.from_json(json.loads(self._read(Address(output.bucket, keys.plan))))
        records = {record.index: record for record in tally.done}
        with ThreadPoolExecutor(AT_ONCE) as pool:
            joining = Join(self.objects, output, layout, pool)
            errors = joining.errors(items, records)
            whole = self._write(joining, layout, output, job, items, records)
        took = round((self.timer() - started) * 1e3)
        done = tally.totals(job, took)
        # The summary first: whoever sees that the job has succeeded finds everything.
        now = self.clock()
        place = Address(output.bucket, keys.summary)
        self.objects.put(
            place, summary_bytes(lifecycle.succeed(job, done, now), tally, whole, errors)
        )
        closed = change_job(self.store, job, lambda row: lifecycle.succeed(row, done, now))
        if closed.status != "succeeded":
            # It was ended meanwhile, and that stands.
            joining.withdraw()
            self.objects.put(place, summary_bytes(closed, tally, None, errors))
            return cancelled_outcome(closed)
        self.announce(closed)
        return {"outcome": "succeeded", "job": job.id}

    def _write(
        self,
        joining: Join,
        layout: Layout,
        output: Address,
        job: BatchJob,
        items: Sequence[ShardItem],
        records: Mapping[int, ShardRecord],
    ) -> Address:
        """Write the output; return its file, or a prefix if it is several files."""
        parts = output.under("parts/")
        if layout.partitioned:
            return parts
        try:
            if layout.per_input:
                inputs = [read_address(address, "input") for address in job.input]
                return joining.write_per_input(items, records, inputs)
            return joining.write(list(records.values()))
        except TooLarge:
            return parts

    def _read(self, address: Address) -> bytes:
        body = self.objects.get(address)
        if body is None:
            raise BatchRefused(f"{address} is gone: start the job anew")
        return body


def check_failed(job: BatchJob, items: Sequence[ShardItem], tally: ShardTally) -> None:
    """Refuse a job with too many unfinished shards."""
    missing = len(items) - len(tally.done)
    if missing * 100 > job.options.tolerated_failed_shards_percent * len(items):
        raise BatchRefused(
            add_reasons(
                f"{missing} of {len(items)} shards are not done, "
                f"{job.options.tolerated_failed_shards_percent} % may be missing",
                tally.failures,
            )
        )


def check_rejected(job: BatchJob, tally: ShardTally) -> None:
    """Refuse a job that rejected too many records."""
    all_records = tally.rows + tally.rejected
    if tally.rejected * 100 > job.options.max_rejected_percent * all_records:
        raise BatchRefused(
            describe_rejects(
                f"{tally.rejected} of {all_records} records were rejected, more than "
                f"{job.options.max_rejected_percent:g} %",
                tally.reasons,
            )
        )
