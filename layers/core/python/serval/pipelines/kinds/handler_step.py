"""A step that asks a handler, or a server like one: it sends a body, and gets JSON."""

import json
from collections.abc import Sequence
from typing import Any, Protocol, cast

from serval.errors import InferenceFailed, InvalidInputs
from serval.handlers.contents import JSON
from serval.handlers.model import HandlerCalls
from serval.handlers.signature import HandlerAnswer
from serval.inference.loaded import Loaded
from serval.pipelines.run_values import GivenInput, RunValues
from serval.tasks.call import write_json


class AskedHandler(Protocol):
    """A handler that a step asks."""

    def call(self, body: bytes, content_type: str = "", accept: str = "") -> HandlerAnswer:
        """Call it with one body."""


def ask_handler(
    loaded: Loaded, values: RunValues, inputs: Sequence[GivenInput], *, in_json: bool
) -> Any:
    """Call a version of a handler; return the JSON that it answers.

    Parameters
    ----------
    in_json
        Whether the inputs are members of a body in JSON; else they are the handler's tensors.

    Raises
    ------
    InvalidInputs
        If several bodies are given.
    InferenceFailed
        If the answer is no JSON.
    """
    if in_json:
        members = {spec.name: values.evaluate(each, read) for spec, _, each, read in inputs}
        calls = HandlerCalls([write_json(members)], JSON)
    else:
        calls = HandlerCalls.of_inputs([values.tensor(*each) for each in inputs])
    if len(calls.bodies) != 1:
        raise InvalidInputs(
            f"body: {len(calls.bodies)} given, one expected: 'map' asks for each item of a list"
        )
    handler = cast(AskedHandler, loaded.model)
    answer = handler.call(calls.bodies[0], calls.content_type, calls.accept or JSON)
    try:
        return json.loads(answer.body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        given = f"{len(answer.body)} bytes of {answer.content_type or 'no type'}"
        problem = f"its answer is no JSON, which a step's must be: {given}"
        raise InferenceFailed(loaded.record.model, loaded.record.version, problem) from None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number in JSON")
