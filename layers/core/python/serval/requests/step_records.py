"""What is recorded of the steps of a durable pipeline's request, by whoever runs them.

The record of a step that has ended stands: another run of the step changes nothing. So a step may
be run twice, and counts once.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol, Self, get_args

StepStatus = Literal["running", "succeeded", "skipped", "failed"]
STEP_STATUSES: tuple[StepStatus, ...] = get_args(StepStatus)
DONE: tuple[StepStatus, ...] = ("succeeded", "skipped")
"""A step that failed is run again when its request is retried."""
RECORD_DAYS = 45
"""How long records are kept, as payloads are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """One step of one request; times are UTC, ISO 8601."""

    name: str
    status: StepStatus
    started: str
    finished: str | None = None
    requests: tuple[str, ...] = ()
    """Ids of the async requests to its model, while it waits for them."""
    error: str | None = None
    value_key: str | None = None
    """Where its value lies in the data bucket."""
    header_length: int | None = None
    """Of a value in tensors: ``Inference-Header-Content-Length``; None: it is JSON."""
    outputs: Sequence[Mapping[str, Any]] | None = None
    """The declared outputs whose tensors the value is; None: it is JSON."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Step, or part of it → the version of its model that was asked."""
    cache: Mapping[str, str] = field(default_factory=dict)
    """Step, or part of it, whose answers are kept → what came of looking them up."""

    @property
    def done(self) -> bool:
        """Whether it need not run again."""
        return self.status in DONE

    def to_json(self) -> str:
        """Write what differs from the defaults."""
        given = {name: value for name, value in asdict(self).items() if value not in (None, (), {})}
        return json.dumps(given)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what ``to_json`` wrote."""
        value: dict[str, Any] = json.loads(text)
        return cls(**{**value, "requests": tuple(value.get("requests", ()))})


class StepRecords(Protocol):
    """The records of the steps of requests."""

    def read(self, request_id: str) -> Mapping[str, StepRecord]:
        """Read those of a request, by the names of the steps."""

    def write(self, request_id: str, record: StepRecord) -> None:
        """Write a record, unless the step is done already."""
