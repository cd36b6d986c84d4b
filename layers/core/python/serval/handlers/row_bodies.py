"""Bodies for a handler on Lambda, whose own function answers them: what it is sent.

A handler shares no process with other models' data, and ``shard`` and ``answer`` read those of all
of them. So they send bodies to the model's own function, whose role reads this model alone, and
wait. ::

    {"rows": {"model", "version", "bodies": [base64, …],
              "content_type", "accept"}}                        shard, answer -> infer-<model>
    {"answers": [base64, …], "types": [text, …],
     "is": "answered", "why": ""}                               shard, answer <- infer-<model>

The answers are those of the first bodies, in order: as many as time and room allowed, maybe none.
``refused`` and ``failed`` speak of the body after them, ``unavailable`` of the version.

API Gateway's events have no member ``rows``, whatever a caller sends.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from serval.errors import InvalidInputs, InvalidRequest, ServalError, ServiceUnavailable
from serval.handlers.declaration import DEFAULT_LIMITS
from serval.handlers.model import HandlerCalls, HandlerModel, answer_tensors
from serval.handlers.signature import HandlerAnswer
from serval.inference.loaded import Loaded
from serval.inference.runtimes import RuntimeFailed
from serval.models.signature import TensorSpec
from serval.models.tensor import Tensor
from serval.models.version import ModelVersion
from serval.protocol.limits import HANDLER_BODY_BYTES

ROWS = "rows"
"""The event's only member."""
SECONDS_LEFT = DEFAULT_LIMITS.call_seconds + 1.5
"""Of the invocation, for a body to be begun: its call may take so long, and is then ended."""
MOST_IDLE = 10
"""Calls in a row that answer nothing, since each found an environment that first had to load."""
Ask = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]
"""Lets a model's own function answer an event."""
Outcome = Literal["answered", "refused", "failed", "unavailable"]


@dataclass(frozen=True, slots=True)
class RowBodies:
    """Bodies of rows for a version of a handler."""

    model: str
    version: str
    calls: HandlerCalls

    def to_event(self) -> dict[str, Any]:
        """Return the event."""
        return {
            ROWS: {
                "model": self.model,
                "version": self.version,
                "bodies": [b64encode(body).decode() for body in self.calls.bodies],
                "content_type": self.calls.content_type,
                "accept": self.calls.accept,
            }
        }

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> "RowBodies":
        """Read what ``to_event`` returned."""
        rows = event[ROWS]
        bodies = [b64decode(body) for body in rows["bodies"]]
        calls = HandlerCalls(bodies, rows.get("content_type", ""), rows.get("accept", ""))
        return cls(rows["model"], rows["version"], calls)


@dataclass(frozen=True, slots=True)
class RowAnswers:
    """Answers to the first of the bodies, and what came after them."""

    answers: Sequence[HandlerAnswer] = ()
    outcome: Outcome = "answered"
    why: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the answers as JSON values."""
        return {
            "answers": [b64encode(answer.body).decode() for answer in self.answers],
            "types": [answer.content_type for answer in self.answers],
            "is": self.outcome,
            "why": self.why,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "RowAnswers":
        """Read what ``to_json`` returned."""
        given = zip(value["answers"], value["types"], strict=True)
        answers = [HandlerAnswer(b64decode(body), content_type) for body, content_type in given]
        return cls(answers, value["is"], value["why"])


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
    answers: list[HandlerAnswer] = []
    try:
        answers.extend(_call(model, asked.calls, remaining))
    except InvalidRequest as error:
        return RowAnswers(answers, "refused", str(error))
    except RuntimeFailed as error:
        return RowAnswers(answers, "failed", str(error))
    return RowAnswers(answers)


def _call(
    model: HandlerModel, calls: HandlerCalls, remaining: Callable[[], float]
) -> Iterator[HandlerAnswer]:
    """Yield the answers to the first bodies; those before an error are yielded before it."""
    room = HANDLER_BODY_BYTES
    for body in calls.bodies:
        if remaining() < SECONDS_LEFT:
            return
        answer = model.call(body, calls.content_type, calls.accept)
        size = len(answer.body)
        if size > HANDLER_BODY_BYTES:
            most = HANDLER_BODY_BYTES
            raise RuntimeFailed(f"the answer has {size} bytes, and at most {most} are taken")
        if (room := room - size) < 0:
            return
        yield answer


def distant_handlers(ask: Ask) -> Callable[[ModelVersion], "DistantHandler | None"]:
    """Return what finds who runs a version: None if its own function does not."""

    def find_handler(record: ModelVersion) -> DistantHandler | None:
        is_handler = record.runtime == "python"
        return DistantHandler(ask, record.model, record.version) if is_handler else None

    return find_handler


@dataclass(frozen=True, slots=True)
class DistantHandler:
    """A version of a handler in the model's own function."""

    ask: Ask
    model: str
    version: str

    def run(self, inputs: Sequence[Tensor], outputs: Sequence[TensorSpec]) -> list[Tensor]:
        """Let the function answer each body.

        Raises
        ------
        InvalidInputs
            If a body is too long, or the handler refuses it.
        RuntimeFailed
            If the handler fails.
        ServiceUnavailable
            If the function does not answer, or cannot load the version.
        """
        calls = HandlerCalls.of_inputs(inputs)
        answers: list[HandlerAnswer] = []
        idle = 0
        while len(answers) < len(calls.bodies):
            bodies = [*take_bodies(calls.bodies[len(answers) :])]
            found = self._ask(replace(calls, bodies=bodies))
            answers += found.answers
            idle = 0 if found.answers else idle + 1
            if idle == MOST_IDLE:
                raise ServiceUnavailable(
                    f"model {self.model!r}: its own function was called {idle} times, and had no "
                    "time left for a row"
                )
        return answer_tensors(answers, outputs)

    def _ask(self, calls: HandlerCalls) -> RowAnswers:
        event = RowBodies(self.model, self.version, calls).to_event()
        found = RowAnswers.from_json(self.ask(self.model, event))
        if found.outcome == "refused":
            raise InvalidInputs(found.why)
        if found.outcome == "failed":
            raise RuntimeFailed(found.why)
        if found.outcome == "unavailable":
            raise ServiceUnavailable(found.why)
        return found


def take_bodies(bodies: Sequence[bytes]) -> Iterator[bytes]:
    """Yield as many of the first bodies as an event has room for.

    Raises
    ------
    InvalidInputs
        If it has none for the first.
    """
    if len(bodies[0]) > HANDLER_BODY_BYTES:
        raise InvalidInputs(
            f"the body has {len(bodies[0])} bytes: at most {HANDLER_BODY_BYTES} are sent to a "
            "handler on Lambda"
        )
    room = HANDLER_BODY_BYTES
    for body in bodies:
        if (room := room - len(body)) < 0:
            return
        yield body
