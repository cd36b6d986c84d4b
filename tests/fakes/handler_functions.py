"""A handler's own function in memory: its process, and what calls the function."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from serval.errors import ModelVersionNotFound
from serval.handlers.model import HandlerModel
from serval.handlers.process import HandlerAnswer
from serval.handlers.row_bodies import RowBodies, answer_bodies
from serval.inference.loaded import Loaded
from tests.fakes.inference import handler_record


@dataclass
class InMemoryProcess:
    """A handler's process that answers by a function."""

    answer: Callable[[bytes], bytes]
    called: list[bytes] = field(default_factory=list)

    def load(self) -> None:
        pass

    def close(self) -> None:
        pass

    def call(self, body: bytes, content_type: str, accept: str) -> HandlerAnswer:
        self.called.append(body)
        return HandlerAnswer(self.answer(body), content_type)


@dataclass
class InMemoryFunction:
    """The function ``infer-<model>`` of version 1 of a handler."""

    answer: Callable[[bytes], bytes]
    calls_at_once: int = 100
    """Bodies that an invocation has time for."""
    late: int = 0
    """First invocations that have no time left, since they had to load."""
    asked: list[int] = field(default_factory=list)
    """Bodies of each event."""
    model: str = "adding"
    process: Any = None

    def __post_init__(self) -> None:
        self.process = InMemoryProcess(self.answer)

    def load(self, model: str, version: str) -> Loaded:
        if (model, version) != (self.model, "1"):
            raise ModelVersionNotFound(model, version)
        record = handler_record(model, b"code")
        return Loaded(record, HandlerModel(self.process, Path("/nowhere")), {}, {}, 0.0)

    def ask(self, model: str, event: Mapping[str, Any]) -> dict[str, Any]:
        asked = RowBodies.from_event(json.loads(json.dumps(event)))
        self.asked.append(len(asked.calls.bodies))
        left = 0 if len(self.asked) <= self.late else self.calls_at_once
        seconds = [29.0] * left + [1.0]
        found = answer_bodies(self.load, asked, lambda: seconds.pop(0))
        answer: dict[str, Any] = json.loads(json.dumps(found.to_json()))
        return answer
