"""Rows of batch jobs for a handler on Lambda, whose own function answers them: what it is sent.

::

    {"rows": {"model", "version", "bodies": [base64, …]}}        shard -> infer-<model>
    {"answers": [base64, …], "is": "answered", "why": ""}        shard <- infer-<model>

The answers are those of the first bodies, in order: as many as time and room allowed, maybe none.
``refused`` and ``failed`` speak of the body after them, ``unavailable`` of the version.

API Gateway's events have no member ``rows``, whatever a caller sends.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from serval.errors import InvalidRequest, ServalError
from serval.handlers.declaration import DEFAULT_LIMITS, MIB
from serval.handlers.model import HandlerModel
from serval.inference.loaded import Loaded
from serval.inference.runtimes import RuntimeFailed

ROWS = "rows"
"""The event's only member."""
MOST_BYTES = 4 * MIB
"""Of the bodies of an event, and of their answers: Lambda takes 6 MB, and base64 adds a third."""
SECONDS_LEFT = DEFAULT_LIMITS.call_seconds + 1.5
"""Of the invocation, for a body to be begun: its call may take so long, and is then ended."""
Outcome = Literal["answered", "refused", "failed", "unavailable"]


@dataclass(frozen=True, slots=True)
class RowBodies:
    """Bodies of rows for a version of a handler."""

    model: str
    version: str
    bodies: Sequence[bytes]

    def to_event(self) -> dict[str, Any]:
        """Return the event."""
        bodies = [b64encode(body).decode() for body in self.bodies]
        return {ROWS: {"model": self.model, "version": self.version, "bodies": bodies}}

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> "RowBodies":
        """Read what ``to_event`` returned."""
        rows = event[ROWS]
        return cls(rows["model"], rows["version"], [b64decode(body) for body in rows["bodies"]])


@dataclass(frozen=True, slots=True)
class RowAnswers:
    """Answers to the first of the bodies, and what came after them."""

    answers: Sequence[bytes] = ()
    outcome: Outcome = "answered"
    why: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the answers as JSON values."""
        answers = [b64encode(answer).decode() for answer in self.answers]
        return {"answers": answers, "is": self.outcome, "why": self.why}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "RowAnswers":
        """Read what ``to_json`` returned."""
        return cls([b64decode(answer) for answer in value["answers"]], value["is"], value["why"])


def answer_bodies(
    load: Callable[[str, str], Loaded], asked: RowBodies, remaining: Callable[[], float]
) -> RowAnswers:
    """Call a handler with one body after another, while there is time and room for an answer.

    Parameters
    ----------
    load
        Returns a loaded version of the model.
    remaining
        Returns the seconds until the invocation must end.
    """
    try:
        model = load(asked.model, asked.version).model
    except ServalError as error:
        return RowAnswers((), "unavailable", str(error))
    if not isinstance(model, HandlerModel):
        why = f"model {asked.model!r} version {asked.version!r} is no handler"
        return RowAnswers((), "unavailable", why)
    answers: list[bytes] = []
    try:
        answers.extend(_call(model, asked.bodies, remaining))
    except InvalidRequest as error:
        return RowAnswers(answers, "refused", str(error))
    except RuntimeFailed as error:
        return RowAnswers(answers, "failed", str(error))
    return RowAnswers(answers)


def _call(
    model: HandlerModel, bodies: Sequence[bytes], remaining: Callable[[], float]
) -> Iterator[bytes]:
    """Yield the answers to the first bodies; those before an error are yielded before it."""
    room = MOST_BYTES
    for body in bodies:
        if remaining() < SECONDS_LEFT:
            return
        answer = model.call(body).body
        if len(answer) > MOST_BYTES:
            raise RuntimeFailed(
                f"the answer has {len(answer)} bytes, and at most {MOST_BYTES} are taken"
            )
        if (room := room - len(answer)) < 0:
            return
        yield answer
