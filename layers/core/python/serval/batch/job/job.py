"""One batch job and its shards, as their rows in the jobs table hold them."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from serval.batch.job.options import DEFAULTS, JobOptions
from serval.clock import timestamp
from serval.models.tag import tagged

Status = Literal["queued", "planning", "running", "assembling", "succeeded", "failed", "cancelled"]
OPEN: tuple[Status, ...] = ("queued", "planning", "running", "assembling")
Origin = Literal["upload", "api", "schedule"]
ShardStatus = Literal["running", "done", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchJob:
    """Inference over a file or a prefix; all times are UTC, ISO 8601."""

    id: str
    model: str
    origin: Origin = "api"
    name: str = ""
    """The schedule's, if one started it."""
    status: Status = "queued"
    created: str
    updated: str
    revision: int = 0
    """Grows by one with every change; writes are conditional on it."""
    input: tuple[str, ...] = ()
    """Addresses, as ``s3://bucket/key``; one that ends in ``/`` is a prefix."""
    input_version: str | None = None
    """S3 version of the one uploaded file; None: what is there when the job is planned."""
    output: str = ""
    """Address of the prefix that everything is written under; it ends in ``/``."""
    options: JobOptions = DEFAULTS
    submitter: str | None = None
    """Hash of the API key that asked for it."""

    version: str | None = None
    """Of the model: the stable one at the start; a rollout meanwhile changes nothing."""
    owner: str | None = None
    """The execution that works on it."""
    attempt: int = 1
    """Grows with every retry, which runs only what was not done."""
    cancel_requested: bool = False
    stop_reason: str | None = None
    """Why its shards are to stop, before somebody has ended it."""

    format: str = ""
    """Of the input, as found: ``csv``, ``jsonl``, ``parquet`` or ``objects``."""
    files: int = 0
    input_bytes: int = 0
    estimated_rows: int = 0
    exact_rows: bool = False
    """Whether the estimate is a count."""
    shards: int = 0
    estimated_seconds: int = 0
    estimated_microdollars: int = 0
    machine_microdollars_hour: int = 0
    """What a machine of its fleet costs; 0: it runs on Lambda, or nobody knows."""
    columns: tuple[dict[str, Any], ...] = ()
    """Which columns fill which input: ``input``, ``columns``, and ``by`` what they were found."""
    plan_ms: int = 0
    """What ``plan`` and ``cut`` took, of the newest attempt."""
    scans: int = 0
    """Ranges that were scanned for cuts."""
    scan_ms: int = 0
    """What all scans took together."""

    started: str | None = None
    finished: str | None = None
    error: str | None = None
    """Why it failed."""
    rows: int = 0
    """Rows that were answered; known when it has ended."""
    rejected: int = 0
    shards_done: int = 0
    busy_ms: int = 0
    """What all of its shards took together."""
    assemble_ms: int = 0
    microdollars: int = 0
    """What it has cost by the dated price table; known when it has ended."""

    @property
    def open(self) -> bool:
        """Tell whether there is still work to do."""
        return self.status in OPEN

    @property
    def stopping(self) -> bool:
        """Tell whether its shards are to stop."""
        return not self.open or self.cancel_requested or self.stop_reason is not None


@dataclass(frozen=True, slots=True)
class Piece:
    """One object that a shard has written, pinned to its version."""

    key: str
    size_bytes: int
    version_id: str | None = None
    """None where the bucket keeps no versions."""
    rows: int = 0

    def to_json(self) -> dict[str, Any]:
        """Give the piece as records and summaries hold it."""
        return {
            "key": self.key,
            "size_bytes": self.size_bytes,
            "version_id": self.version_id,
            "rows": self.rows,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardRecord:
    """What a shard has done so far; once ``done`` it is never changed."""

    job: str
    index: int
    status: ShardStatus = "running"
    attempt: int = 1
    """The job's."""
    runner: str = ""
    """The function or the worker that had it last."""
    started: str = ""
    updated: str = ""
    version: str = ""
    """Of the model."""
    rows: int = 0
    rejected: int = 0
    records: int = 0
    """Records that it has counted, blank lines among them: where the next shard's numbers begin."""
    read_bytes: int = 0
    written_bytes: int = 0
    run_ms: int = 0
    """Time in the model."""
    busy_ms: int = 0
    """Time of its invocations, all together."""
    memory_mib: int = 0
    """Of the function that ran it; 0: it ran on a fleet's machine."""
    pieces: tuple[Piece, ...] = ()
    """Its output parts, in order."""
    errors: tuple[Piece, ...] = ()
    """Its files of rejected records, in order."""
    reasons: tuple[str, ...] = ()
    """The first ten reasons for rejecting a record."""
    error: str | None = None
    """Why it failed."""
    resume: str | None = None
    """JSON: where to go on, if it ran short of time."""

    @property
    def done(self) -> bool:
        """Tell whether all of it is written."""
        return self.status == "done"


EARLIER_LENGTH = 28
"""Characters of ids that an earlier Serval made, without a tag; none that has one is as long."""


def new_job_id(moment: datetime, model: str) -> str:
    """Make an id that sorts by time and cannot be guessed: its second, and 48 random bits."""
    return tagged(f"{_second(timestamp(moment))}-{secrets.token_hex(6)}", model)


def claimed_job_id(model: str, moment: str, *claim: str) -> str:
    """Give the id of what may be started only once: the same claim at one time, the same id."""
    digest = hashlib.sha256(chr(0).join(claim).encode()).hexdigest()
    return tagged(f"{_second(moment)}-{digest[:12]}", model)


def _second(moment: str) -> str:
    return moment[:19].replace("-", "").replace(":", "")
