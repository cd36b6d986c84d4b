"""Inferences: attempts that a SageMaker endpoint makes, and what rows say of them.

An inference's id names the request and the attempt, so that what comes of an attempt that was given
up is known for what it is. The row says which inference makes its attempt; once the endpoint has
taken it, the row also says where its outcome will appear, and is left to it for the long lease.
"""

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from serval.fleets.endpoints.ports import RUNNING, WAITING, Submitted
from serval.models.storage import version_prefix
from serval.requests import lifecycle
from serval.requests.request import AsyncRequest

HANDOVER = timedelta(minutes=2)
"""How long it may take to hand a request over; a dispatch that takes longer has crashed."""
NOTICE = timedelta(minutes=5)
"""How long SageMaker may take to say that an inference has ended."""
LEASE = WAITING + RUNNING + NOTICE
"""How long an endpoint has: it works on none of its inferences any more when this is over."""
RUNNER = "sagemaker:"
OUTPUT_PREFIX = "async-out/"
"""Where the endpoints write, in the data bucket."""


@dataclass(frozen=True, slots=True)
class EndpointAttempt:
    """One attempt at one request, by an endpoint."""

    request_id: str
    attempt: int

    @property
    def id(self) -> str:
        """Give what SageMaker calls it: at most 64 characters, as rows have short ids."""
        return f"{self.request_id}.{self.attempt}"

    @property
    def runner(self) -> str:
        """Give what the row calls its runner."""
        return RUNNER + self.id

    def runs(self, row: AsyncRequest | None) -> bool:
        """Tell whether a row says that this inference makes its attempt."""
        return row is not None and row.status == "running" and row.runner == self.runner

    @classmethod
    def parse(cls, inference_id: str) -> "EndpointAttempt | None":
        """Read an id; None if it is none of ours."""
        request_id, _, attempt = inference_id.rpartition(".")
        if not request_id or not attempt.isascii() or not attempt.isdecimal():
            return None
        return cls(request_id, int(attempt))

    @classmethod
    def of_row(cls, row: AsyncRequest) -> "EndpointAttempt":
        """Name the newest attempt of a request."""
        return cls(row.id, row.attempt)


def begun(row: AsyncRequest, version: str, now: datetime) -> AsyncRequest:
    """Begin an attempt that an endpoint is about to be given."""
    runner = EndpointAttempt(row.id, row.attempt + 1).runner
    return replace(
        lifecycle.begin(row, runner, now, HANDOVER),
        version=version,
        output_key=None,
        failure_key=None,
    )


def handed_over(row: AsyncRequest, taken: Submitted, now: datetime) -> AsyncRequest:
    """Say that the endpoint has taken the attempt, and where its outcome will appear."""
    return replace(
        lifecycle.extend(row, now, LEASE),
        output_key=taken.output_key,
        failure_key=taken.failure_key or None,
    )


def envelope(row: AsyncRequest) -> str:
    """Tell the container which version is to run, where it lies, and the form of the request."""
    version = row.version or ""
    said = {
        "m": row.model,
        "v": version,
        "h": row.header_length,
        "a": version_prefix(row.model, version),
    }
    return json.dumps(said, separators=(",", ":"))
