"""Attempts that a SageMaker endpoint makes, which it calls inferences, and their rows.

An inference's id names the request and the attempt, so the outcome of an abandoned attempt is
recognised. The row names the inference that makes its attempt. Once the endpoint has accepted it,
the row also says where the outcome will appear, and has a long lease.
"""

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from serval.fleets.endpoints.ports import RUNNING, WAITING, OutputKeys
from serval.models.storage import version_prefix
from serval.requests import lifecycle
from serval.requests.request import AsyncRequest

HANDOVER = timedelta(minutes=2)
"""How long handing over may take; a dispatch that takes longer has crashed."""
NOTICE = timedelta(minutes=5)
"""How long SageMaker's notice of an end may take."""
LEASE = WAITING + RUNNING + NOTICE
"""How long an endpoint has; after this it no longer works on an inference."""
RUNNER = "sagemaker:"
OUTPUT_PREFIX = "async-out/"
"""Where endpoints write in the data bucket."""


@dataclass(frozen=True, slots=True)
class EndpointAttempt:
    """An endpoint's attempt at a request."""

    request_id: str
    attempt: int

    @property
    def id(self) -> str:
        """Its inference id: at most 64 characters, which rows' ids leave room for."""
        return f"{self.request_id}.{self.attempt}"

    @property
    def runner(self) -> str:
        """Its name as the runner of a row."""
        return RUNNER + self.id

    def runs(self, row: AsyncRequest | None) -> bool:
        """Check whether a row names this as its current attempt."""
        return row is not None and row.status == "running" and row.runner == self.runner

    @classmethod
    def parse(cls, inference_id: str) -> "EndpointAttempt | None":
        """Read an inference id; None if it is not Serval's."""
        request_id, _, attempt = inference_id.rpartition(".")
        if not request_id or not attempt.isascii() or not attempt.isdecimal():
            return None
        return cls(request_id, int(attempt))

    @classmethod
    def of_row(cls, row: AsyncRequest) -> "EndpointAttempt":
        """Return the newest attempt of a request."""
        return cls(row.id, row.attempt)


def begin_attempt(row: AsyncRequest, version: str, now: datetime) -> AsyncRequest:
    """Begin an attempt, before the endpoint is called."""
    runner = EndpointAttempt(row.id, row.attempt + 1).runner
    return replace(
        lifecycle.begin(row, runner, now, HANDOVER),
        version=version,
        output_key=None,
        failure_key=None,
    )


def record_hand_over(row: AsyncRequest, taken: OutputKeys, now: datetime) -> AsyncRequest:
    """Record that the endpoint has accepted an attempt, and where its outcome will appear."""
    return replace(
        lifecycle.extend(row, now, LEASE),
        output_key=taken.output_key,
        failure_key=taken.failure_key or None,
    )


def envelope(row: AsyncRequest) -> str:
    """Write the container's instructions: the version, where it lies, and the request's form."""
    version = row.version or ""
    said = {
        "m": row.model,
        "v": version,
        "h": row.header_length,
        "a": version_prefix(row.model, version),
    }
    return json.dumps(said, separators=(",", ":"))
