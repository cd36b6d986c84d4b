"""Rows of batch jobs and their shards in the jobs table.

A row stores what differs from the defaults, and ``expires``. Only jobs have ``model`` and
``created``, so the index of models contains no shards. The stack declares the table and its index
by these names.
"""

import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from serval.batch.job.job import BatchJob, OutputPiece, ShardRecord
from serval.batch.job.options import JobOptions

JOB, SORT = "job", "sk"
"""Keys of the table: partition and sort."""
JOB_SORT_KEY = "JOB"
SHARD = "SHARD#"
EXPIRES = "expires"
"""The table's TTL attribute, in epoch seconds."""
BY_MODEL, BY_MODEL_KEYS = "by_model", ("model", "created")
"""Index of a model's jobs by time; it projects everything, since jobs are few and often read."""
KEPT = timedelta(days=90)
"""How long a job is kept after it has finished."""
SHARDS_KEPT = timedelta(days=180)
"""How long a shard is kept after its last change: longer than any job."""

_JOB = {member.name: member.default for member in fields(BatchJob) if member.name != "id"}
_SHARD = {
    member.name: member.default
    for member in fields(ShardRecord)
    if member.name not in ("job", "index")
}


def shard_sort_key(index: int) -> str:
    """Return the sort key of a shard; text order is the order of the input."""
    return f"{SHARD}{index:05d}"


def job_attributes(job: BatchJob) -> dict[str, Any]:
    """Return the attributes of a job's row."""
    row = _changed_members(job, _JOB, always=("status", "revision"))
    row |= {JOB: job.id, SORT: JOB_SORT_KEY}
    if job.finished is not None:
        row[EXPIRES] = int((datetime.fromisoformat(job.finished) + KEPT).timestamp())
    return row


def read_job(row: Mapping[str, Any]) -> BatchJob:
    """Read what ``job_attributes`` returned."""
    return BatchJob(id=row[JOB], **_read(row, _JOB))


def shard_attributes(record: ShardRecord) -> dict[str, Any]:
    """Return the attributes of a shard's row."""
    row = _changed_members(record, _SHARD, always=("status",))
    row |= {JOB: record.job, SORT: shard_sort_key(record.index)}
    row[EXPIRES] = int((datetime.fromisoformat(record.updated) + SHARDS_KEPT).timestamp())
    return row


def read_shard(row: Mapping[str, Any]) -> ShardRecord:
    """Read what ``shard_attributes`` returned."""
    index = int(str(row[SORT]).removeprefix(SHARD))
    return ShardRecord(job=row[JOB], index=index, **_read(row, _SHARD))


def _changed_members(
    value: BatchJob | ShardRecord, defaults: Mapping[str, Any], always: tuple[str, ...]
) -> dict[str, Any]:
    return {
        name: _to_attribute(found)
        for name, default in defaults.items()
        if (found := getattr(value, name)) != default or name in always
    }


def _to_attribute(value: Any) -> Any:
    """Return a member as DynamoDB stores it: texts, numbers and booleans, and JSON for the rest."""
    if isinstance(value, JobOptions):
        return json.dumps(value.to_json())
    if isinstance(value, tuple):
        return json.dumps(
            [one.to_json() if isinstance(one, OutputPiece) else one for one in value],
            ensure_ascii=False,
        )
    return value


def _read(row: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _from_attribute(name, row[name]) for name in defaults if name in row}


def _from_attribute(name: str, value: Any) -> Any:
    match name:
        case "options":
            return JobOptions.from_json(json.loads(value))
        case "pieces" | "errors":
            return tuple(OutputPiece(**piece) for piece in json.loads(value))
        case "input" | "reasons" | "columns":
            return tuple(json.loads(value))
    return int(value) if isinstance(value, Decimal) else value
