"""An async request, as its row in the requests table holds it, and the keys of its payloads."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Status = Literal["queued", "running", "succeeded", "failed", "cancelled"]
STATUSES: tuple[Status, ...] = get_args(Status)
OPEN: tuple[Status, ...] = ("queued", "running")
SHARDS = 8
"""Parts of the index of open requests; a DynamoDB partition takes 1,000 writes a second."""
INLINE_BYTES = 8_192
"""Bodies up to this lie in the row; DynamoDB bills each write of a row by its size (decision 5)."""
UPLOAD_LIMIT_BYTES = 1_000_000_000
"""The most that a SageMaker endpoint takes."""
PAYLOAD_DAYS = 45
"""When the data bucket expires payloads: a request that waits for as long as its queue keeps
messages (14 days) is kept for at most 30 more. A retry starts the days again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AsyncRequest:
    """One heavy inference; all times are UTC, ISO 8601, so that text order is time order."""

    id: str
    """The id of the row, of its objects in the data bucket and of messages about it."""
    model: str
    fleet: str
    status: Status = "queued"
    created: str
    updated: str
    revision: int = 0
    """Grows by one with each change; writes are conditional on it."""
    body_hash: str
    """sha256 (hex) of the whole submission: the same id with another body is a conflict."""

    chosen: str | None = None
    """The id that its caller chose, unique within the model; None: callers know it by ``id``."""
    wanted: str | None = None
    """The version asked for; None: the route decides when the work begins."""
    affinity: str = ""
    """What fixes the track of the request in a rollout; empty: its id."""
    payload: bytes | None = None
    """The inference request if it is small; otherwise it lies under ``payload_key``."""
    payload_key: str | None = None
    """Key in the data bucket."""
    payload_bytes: int = 0
    header_length: int | None = None
    """``Inference-Header-Content-Length`` of the inference request; None: JSON alone."""
    keep_days: int = 7
    """How long it is kept after it has finished."""
    max_attempts: int = 3
    """Attempts that may fail before it is dead-lettered."""
    stream: bool = False
    """Whether its answer is read while it is written: see ``serval.requests.stream``."""

    attempt: int = 0
    """Number of the newest attempt, never used twice; it is part of the result's key."""
    attempts: int = 0
    """Attempts that count; those given back by a reclaimed machine do not."""
    alone: bool = False
    """It was part of a run that crashed or failed, so it no longer shares one."""
    runner: str | None = None
    """The worker, or the SageMaker inference id, that runs it."""
    lease_until: str | None = None
    """Until when its runner is presumed alive."""
    cancel_requested: bool = False
    """Its caller wants no result; its runner stops at its next boundary."""

    version: str | None = None
    """The version that runs it, or ran it."""
    started: str | None = None
    """When the newest attempt began."""
    finished: str | None = None
    error: str | None = None
    """Why it failed, or why its last attempt did."""
    refused: bool = False
    """The request itself was at fault: a 400 for a caller who waits."""
    error_kind: str | None = None
    """What was wrong with it, as ``serval.requests.refusals`` writes it; None: unknown."""
    output_key: str | None = None
    """Where its SageMaker endpoint writes the result; None: it runs on no endpoint."""
    failure_key: str | None = None
    """Where its SageMaker endpoint writes what went wrong."""
    response_key: str | None = None
    """Key in the data bucket."""
    response_bytes: int = 0
    response_header_length: int | None = None
    """``Inference-Header-Content-Length`` of the result; None: JSON alone."""

    step_versions: str | None = None
    """Of a pipeline that has answered: its steps, each with the version that it asked, as JSON."""
    durable: bool = False
    """Whether a state machine runs it, as the steps of a pipeline: see ``serval.durable``."""
    task_token: str | None = None
    """The task of a state machine that waits for its end, since it is a step of a pipeline."""

    submitter: str | None = None
    """Hash of the API key that submitted it; None where the gateway authenticates."""
    callback_url: str | None = None
    callback_sent: str | None = None
    """When its receiver accepted the callback."""
    callback_error: str | None = None
    """Why the receiver did not accept the last attempt."""

    @property
    def name(self) -> str:
        """The id by which its caller knows it."""
        return self.chosen or self.id

    @property
    def open(self) -> bool:
        """Whether it has not finished."""
        return self.status in OPEN

    @property
    def callback_due(self) -> bool:
        """Whether it has ended, somebody wants to be told, and nobody has tried yet."""
        tried = self.callback_sent is not None or self.callback_error is not None
        wanted = self.callback_url is not None or self.task_token is not None
        return not self.open and wanted and not tried

    @property
    def shard(self) -> int:
        """Its part of the index of open requests."""
        return zlib.crc32(self.id.encode()) % SHARDS


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRequest:
    """An open request as the index has it, which may lag a second behind the row."""

    id: str
    model: str
    fleet: str
    status: Status
    created: str
    updated: str
    lease_until: str | None = None


def request_key(request_id: str) -> str:
    """Return the data bucket's key of an inference request that does not fit the row."""
    return f"async/{request_id}/request"


def upload_key(request_id: str, key_hash: str | None) -> str:
    """Return the key of an inference request that an API key uploads; no other can submit it."""
    return f"async/{request_id}/upload-{key_hash[:16] if key_hash else 'gateway'}"


def sent_request_key(request_id: str, body_hash: str) -> str:
    """Return the key of one sent with the call; bodies that race for an id have two keys."""
    return f"{request_key(request_id)}-{body_hash[:16]}"


def step_key(request_id: str, step: str, run: str) -> str:
    """Return the key of what a step of a pipeline gave; no two runs of it share one."""
    return f"async/{request_id}/steps/{step}-{run}"


def response_key(request_id: str, attempt: int) -> str:
    """Return the key of an attempt's result; no two attempts share one."""
    return f"async/{request_id}/{attempt}/response"


LISTED = 500
"""Queued requests listed from each part of the index, those unchanged for longest first."""


@dataclass(frozen=True, slots=True)
class OpenListing:
    """Open requests of the index: all that run, the longest queued, and where the rest begins."""

    listed: Sequence[OpenRequest]
    rest: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Parts of the index with more, each with the key of the last request listed."""
