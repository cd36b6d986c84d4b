"""A batch job and its shards, and their rows in the jobs table.

A row stores what differs from the defaults, and ``expires``. Only jobs have ``model`` and
``created``, so the index of models contains no shards. The stack declares the table and its index
by these names.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from serval.batch.job.asked_versions import AskedPairs
from serval.batch.job.options import DEFAULTS, JobOptions
from serval.clock import timestamp
from serval.models.version import add_tag

Status = Literal["queued", "planning", "running", "assembling", "succeeded", "failed", "cancelled"]
OPEN: tuple[Status, ...] = ("queued", "planning", "running", "assembling")
Origin = Literal["upload", "api", "schedule"]
ShardStatus = Literal["running", "done", "failed"]
EVENTS_OF_A_SHARD = 1_000
"""The most events about detections; what is found beyond them is only counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchJob:
    """Inference over a file or a prefix; all times are UTC in ISO 8601."""

    id: str
    model: str
    origin: Origin = "api"
    name: str = ""
    """Name of the schedule that started the job, if one did."""
    status: Status = "queued"
    created: str
    updated: str
    revision: int = 0
    """Grows by one with every change; writes are conditional on it."""
    input: tuple[str, ...] = ()
    """Addresses as ``s3://bucket/key``; one that ends in ``/`` is a prefix."""
    input_version: str | None = None
    """S3 version of the uploaded file; None: the newest one when the job is planned."""
    output: str = ""
    """Address of the prefix that the job writes under; it ends in ``/``."""
    options: JobOptions = DEFAULTS
    submitter: str | None = None
    """Hash of the API key that started the job."""

    version: str | None = None
    """Version of the model: the stable one at the start, whatever a rollout changes later."""
    owner: str | None = None
    """The execution that works on the job."""
    attempt: int = 1
    """Grows with every retry, which runs only what was not done."""
    cancel_requested: bool = False
    stop_reason: str | None = None
    """Why the shards should stop, set before the job is closed."""

    format: str = ""
    """Detected format of the input: ``csv``, ``jsonl``, ``parquet`` or ``objects``."""
    files: int = 0
    input_bytes: int = 0
    estimated_rows: int = 0
    exact_rows: bool = False
    """Whether the estimated rows are a count."""
    shards: int = 0
    estimated_seconds: int = 0
    estimated_microdollars: int = 0
    machine_microdollars_hour: int = 0
    """Price of a fleet's machine; 0 if the job runs on Lambda or the price is unknown."""
    columns: tuple[dict[str, Any], ...] = ()
    """Which columns fill which input: ``input``, ``columns``, and ``by``, how they were found."""
    plan_ms: int = 0
    """Time of ``plan`` and ``cut`` in the newest attempt."""
    scans: int = 0
    """Ranges that were scanned for cuts."""
    scan_ms: int = 0
    """Time of all scans together."""

    started: str | None = None
    finished: str | None = None
    error: str | None = None
    """Why the job failed."""
    rows: int = 0
    """Rows that were answered; known when the job has ended."""
    rejected: int = 0
    shards_done: int = 0
    busy_ms: int = 0
    """Time of all shards together."""
    assemble_ms: int = 0
    microdollars: int = 0
    """Cost by the dated price table; known when the job has ended."""
    step_versions: AskedPairs = ()
    """Of a pipeline: what its steps asked; known when the job has ended."""

    @property
    def open(self) -> bool:
        """Whether there is still work to do."""
        return self.status in OPEN

    @property
    def stopping(self) -> bool:
        """Whether the shards should stop."""
        return not self.open or self.cancel_requested or self.stop_reason is not None


@dataclass(frozen=True, slots=True)
class OutputPiece:
    """One object that a shard has written, pinned to its S3 version."""

    key: str
    size_bytes: int
    version_id: str | None = None
    """None where the bucket keeps no versions."""
    rows: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the piece as records and summaries store it."""
        return {
            "key": self.key,
            "size_bytes": self.size_bytes,
            "version_id": self.version_id,
            "rows": self.rows,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardRecord:
    """What a shard has done so far; once ``done`` it never changes."""

    job: str
    index: int
    status: ShardStatus = "running"
    attempt: int = 1
    """Attempt of the job."""
    runner: str = ""
    """The function or the worker that ran the shard last."""
    started: str = ""
    updated: str = ""
    version: str = ""
    """Version of the model."""
    step_versions: AskedPairs = ()
    """Of a pipeline: what its steps asked."""
    rows: int = 0
    rejected: int = 0
    records: int = 0
    """Records counted so far, with blank lines: the next shard's numbers begin here."""
    read_bytes: int = 0
    written_bytes: int = 0
    detections: int = 0
    """Labels that were to be told as events."""
    run_ms: int = 0
    """Time in the model."""
    busy_ms: int = 0
    """Time of all invocations together."""
    memory_mib: int = 0
    """Of the function, and of a handler's beside it; 0 if the shard ran on a fleet's machine."""
    pieces: tuple[OutputPiece, ...] = ()
    """Its output parts, in order."""
    errors: tuple[OutputPiece, ...] = ()
    """Its files of rejected records, in order."""
    reasons: tuple[str, ...] = ()
    """The first ten reasons for rejecting a record."""
    error: str | None = None
    """Why the shard failed."""
    resume: str | None = None
    """JSON that says where to go on, if the shard ran short of time."""

    @property
    def events(self) -> int:
        """Events that were sent about detections; some may have been sent more than once."""
        return min(self.detections, EVENTS_OF_A_SHARD)

    @property
    def done(self) -> bool:
        """Whether all of the shard is written."""
        return self.status == "done"


EARLIER_LENGTH = 28
"""Length of an id without a tag, from an earlier version of Serval; ids with a tag are longer."""


def new_job_id(moment: datetime, model: str) -> str:
    """Create an id that sorts by time and cannot be guessed: the second and 48 random bits."""
    return add_tag(f"{_second(timestamp(moment))}-{secrets.token_hex(6)}", model)


def claimed_job_id(model: str, moment: str, *claim: str) -> str:
    """Return the id of a job that may start only once: equal claims at one time give equal ids."""
    digest = hashlib.sha256(chr(0).join(claim).encode()).hexdigest()
    return add_tag(f"{_second(moment)}-{digest[:12]}", model)


def _second(moment: str) -> str:
    return moment[:19].replace("-", "").replace(":", "")


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
        case "step_versions":
            return tuple((step, version) for step, version in json.loads(value))
        case "input" | "reasons" | "columns":
            return tuple(json.loads(value))
    return int(value) if isinstance(value, Decimal) else value
