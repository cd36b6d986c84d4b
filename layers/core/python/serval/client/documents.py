"""What the API's documents hold, by the names of ``openapi.json``, and what a call answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, NotRequired, TypedDict

from serval.models.rollout_words import RolloutStatus, RolloutStep


class TensorDocument(TypedDict):
    """Name, datatype and shape of an input or output; -1 is a dimension of any extent."""

    name: str
    datatype: str
    shape: list[int]


class ModelDocument(TypedDict):
    """The signature of a version, and the names of all versions."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorDocument]
    outputs: list[TensorDocument]
    optional_inputs: NotRequired[list[TensorDocument]]
    task: NotRequired[str]


RequestStatus = Literal["queued", "running", "succeeded", "failed", "cancelled"]


class RequestDocument(TypedDict):
    """An async request; times are UTC, ISO 8601, and None where it is not there yet."""

    id: str
    status: RequestStatus
    model: str
    version: str | None
    attempts: int
    created: str
    started: NotRequired[str | None]
    finished: str | None
    error: str | None
    response: NotRequired[dict[str, Any]]
    response_url: NotRequired[str]
    response_header_length: NotRequired[int]
    cancel_requested: NotRequired[bool]


JobStatus = Literal[
    "queued", "planning", "running", "assembling", "succeeded", "failed", "cancelled"
]


class JobFile(TypedDict):
    """A file that a job left, and a URL that reads it for an hour at most."""

    name: str
    url: str


class JobDocument(TypedDict):
    """A batch job, and how far it is; numbers that are not known are None."""

    id: str
    status: JobStatus
    model: str
    version: str | None
    input: str | list[str]
    output: str | None
    attempt: int
    error: str | None
    shards: int
    shards_done: int | None
    rows: int | None
    rejected: int | None
    percent: float | None
    seconds_left: float | None
    cost_usd: float | None
    cancel_requested: NotRequired[bool]
    step_versions: NotRequired[dict[str, list[str]]]
    results: NotRequired[list[JobFile]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRollout:
    """Where a rollout of a model stands, or how it ended; times are UTC, ISO 8601."""

    model: str
    stable: str | None
    """The stable version now; None if none has been promoted yet."""
    version: str | None
    """The version that is rolled out; None before it is registered."""
    status: RolloutStatus
    step: RolloutStep
    percent: int
    """Share of the traffic that ``version`` has been given."""
    paused: bool
    started: str
    finished: str | None
    """None while it runs."""
    reason: str | None
    """Why it ended; None while it runs, and where only its publisher may read why."""

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "ModelRollout":
        """Read what the API answers, of which later versions may say more."""
        return cls(**{member.name: document[member.name] for member in fields(cls)})


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model answered to tensors."""

    model: str
    version: str
    outputs: Mapping[str, Any]
    """By name: numpy arrays if arrays were given, else nested lists."""
    document: Mapping[str, Any]
    """The whole V2 inference response; ``data`` that came in binary is an array."""
    headers: Mapping[str, str]
    """Of the reply, by lower-case name; empty for the result of an async request."""

    def __getitem__(self, name: str) -> Any:
        """Return an output."""
        return self.outputs[name]


@dataclass(frozen=True, slots=True)
class CallAnswer:
    """What a model answered in the words of its task, or its handler."""

    value: Any
    """JSON as Python has it; None if the answer is something else, such as sound."""
    content: bytes
    """As it came."""
    content_type: str
    version: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One event of a request's stream."""

    number: int
    """From 1, rising."""
    kind: str
    data: Any
    """JSON as Python has it."""


ENDED: Sequence[str] = ("succeeded", "failed", "cancelled")
"""The statuses of requests and jobs that change no more."""
