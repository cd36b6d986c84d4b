"""The jobs table in memory, and the state machine that jobs are started on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from serval.batch.job.job import (
    BatchJob,
    ShardRecord,
    job_attributes,
    read_job,
    read_shard,
    shard_attributes,
)
from tests.fakes.registration import Crashes


@dataclass
class InMemoryJobs:
    """``JobStore`` with DynamoDB's conditions; rows are kept as their attributes."""

    crashes: Crashes = field(default_factory=Crashes)
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    shard_rows: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)

    def create(self, job: BatchJob) -> bool:
        self.crashes.before("create")
        if job.id in self.rows:
            return False
        self.rows[job.id] = job_attributes(job)
        self.crashes.done()
        return True

    def find(self, job_id: str) -> BatchJob | None:
        return read_job(self.rows[job_id]) if job_id in self.rows else None

    def save(self, before: BatchJob, after: BatchJob) -> bool:
        self.crashes.before("save")
        found = self.find(before.id)
        if found is None or found.revision != before.revision:
            return False
        self.rows[before.id] = job_attributes(replace(after, revision=before.revision + 1))
        self.crashes.done()
        return True

    def of_model(self, model: str, limit: int) -> Sequence[BatchJob]:
        mine = [job for job in map(read_job, self.rows.values()) if job.model == model]
        return sorted(mine, key=lambda job: job.created, reverse=True)[:limit]

    def shard(self, job_id: str, index: int) -> ShardRecord | None:
        row = self.shard_rows.get((job_id, index))
        return read_shard(row) if row else None

    def shards(self, job_id: str) -> Iterator[ShardRecord]:
        for (job, _), row in sorted(self.shard_rows.items()):
            if job == job_id:
                yield read_shard(row)

    def record(self, record: ShardRecord) -> bool:
        self.crashes.before("record")
        known = self.shard(record.job, record.index)
        if known is not None and known.done:
            return False
        self.shard_rows[record.job, record.index] = shard_attributes(record)
        self.crashes.done()
        return True


@dataclass
class RecordedExecutions:
    """``Executions``: what was started and stopped."""

    started: list[tuple[str, str]] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)

    def start(self, name: str, job_id: str) -> None:
        self.started.append((name, job_id))

    def stop(self, owner: str) -> None:
        self.stopped.append(owner)
