"""One async request, as its row in the requests table holds it.

Open requests at a glance: those that run and the longest queued one by one, the rest counted.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Status = Literal["queued", "running", "succeeded", "failed", "cancelled"]
STATUSES: tuple[Status, ...] = get_args(Status)
OPEN: tuple[Status, ...] = ("queued", "running")
SHARDS = 8
"""Parts of the index of open requests; a partition of DynamoDB takes 1,000 writes a second."""
INLINE_BYTES = 8_192
"""Bodies up to this lie in the row; DynamoDB bills each write of a row by its size (decision 5)."""


PAYLOAD_DAYS = 45
"""After which the data bucket lets go of what it holds of requests: one that waits for as long as
its queue keeps messages (14 days) is kept for at most 30 more. A retry begins the days anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AsyncRequest:
    """One heavy inference; all times are UTC, ISO 8601, so that text order is time order."""

    id: str
    """Of the row, of what lies in the data bucket, and of the messages about it."""
    model: str
    fleet: str
    status: Status = "queued"
    created: str
    updated: str
    revision: int = 0
    """Grows by one with every change; writes are conditional on it."""
    body_hash: str
    """sha256 (hex) of everything that was asked: the same id with another body is a conflict."""

    chosen: str | None = None
    """Id that its caller chose, one of its model's; None: the caller knows it by ``id``."""
    wanted: str | None = None
    """Version asked for by number; None: the route decides when the work begins."""
    affinity: str = ""
    """What fixes the track of the request in a rollout; empty: its id."""
    payload: bytes | None = None
    """The inference request, if it is small; else it lies under ``payload_key``."""
    payload_key: str | None = None
    """Key in the data bucket."""
    payload_bytes: int = 0
    header_length: int | None = None
    """``Inference-Header-Content-Length`` of the inference request; None: JSON alone."""
    keep_days: int = 7
    """How long it is kept after it has finished."""
    max_attempts: int = 3
    """Attempts that may fail before it is dead-lettered."""

    attempt: int = 0
    """Number of the newest attempt, never given twice; it names the result's key."""
    attempts: int = 0
    """Attempts that count: those that a reclaimed machine gave back do not."""
    alone: bool = False
    """It was part of a run that crashed or failed, so it shares none any more."""
    runner: str | None = None
    """The worker, or the SageMaker inference id, that runs it."""
    lease_until: str | None = None
    """Until when its runner is taken to be alive."""
    cancel_requested: bool = False
    """Its caller wants no result; honoured at the next boundary of its runner."""

    version: str | None = None
    """Version that ran it, or runs it."""
    started: str | None = None
    """Begin of the newest attempt."""
    finished: str | None = None
    error: str | None = None
    """Why it failed, or why its last attempt did."""
    refused: bool = False
    """It failed for what it asks, which no machine could answer: a 400 to a caller who waits."""
    output_key: str | None = None
    """Where its SageMaker endpoint will write the result; None: it runs on no endpoint."""
    failure_key: str | None = None
    """Where its SageMaker endpoint would write what went wrong."""
    response_key: str | None = None
    """Key in the data bucket."""
    response_bytes: int = 0
    response_header_length: int | None = None
    """``Inference-Header-Content-Length`` of the result; None: JSON alone."""

    submitter: str | None = None
    """Hash of the API key that submitted it; None where the gateway authenticates."""
    callback_url: str | None = None
    callback_sent: str | None = None
    """When the callback was accepted by its receiver."""
    callback_error: str | None = None
    """Why the last attempt at it was not accepted."""

    @property
    def name(self) -> str:
        """Give the id by which its caller knows it."""
        return self.chosen or self.id

    @property
    def open(self) -> bool:
        """Tell whether there is still work to do."""
        return self.status in OPEN

    @property
    def callback_due(self) -> bool:
        """Tell whether its caller is to be called back about its end, and nobody has tried yet."""
        tried = self.callback_sent is not None or self.callback_error is not None
        return not self.open and self.callback_url is not None and not tried

    @property
    def shard(self) -> int:
        """Give its part of the index of open requests."""
        return zlib.crc32(self.id.encode()) % SHARDS


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRequest:
    """What the index knows of an open request; it may lag a second behind the row."""

    id: str
    model: str
    fleet: str
    status: Status
    created: str
    updated: str
    lease_until: str | None = None


def request_key(request_id: str) -> str:
    """Give the data bucket's key of an inference request that does not fit the row."""
    return f"async/{request_id}/request"


def upload_key(request_id: str, key_hash: str | None) -> str:
    """Give the key of one that an API key uploads: no other key can submit it."""
    return f"async/{request_id}/upload-{key_hash[:16] if key_hash else 'gateway'}"


def sent_request_key(request_id: str, body_hash: str) -> str:
    """Give the key of one that came with the call: two bodies that race for an id have two."""
    return f"{request_key(request_id)}-{body_hash[:16]}"


def response_key(request_id: str, attempt: int) -> str:
    """Give the data bucket's key of an attempt's result: no two attempts write to one key."""
    return f"async/{request_id}/{attempt}/response"


LISTED = 500
"""Queued requests that are listed of each part of the index; those that changed longest ago."""


@dataclass(frozen=True, slots=True)
class Glance:
    """What one look at the requests table's index has listed, and where it stopped."""

    listed: Sequence[OpenRequest]
    rest: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Parts of the index that go on, each with the key of the last request listed."""
