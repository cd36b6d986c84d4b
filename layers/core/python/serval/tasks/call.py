"""One call of a task: from a body to what is sent back."""

import json
from base64 import b64encode
from dataclasses import dataclass
from typing import Any

from serval.errors import InvalidRequest
from serval.tasks.payload import Payload, read_payload
from serval.tasks.task import Media, Task

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class TaskAnswer:
    """The body of a reply."""

    body: bytes
    content_type: str


def answer_payload(task: Task, payload: Payload) -> list[Any]:
    """Answer the inputs of a call, one answer each.

    Raises
    ------
    InvalidRequest
        If an input or a parameter is wrong.
    """
    answers = task.answer(payload.inputs, payload.parameters)
    if len(answers) != len(payload.inputs):
        raise AssertionError(f"{len(answers)} answers to {len(payload.inputs)} inputs")
    return answers


def answer_body(task: Task, body: str | bytes, content_type: str) -> TaskAnswer:
    """Answer a body as clients of the Hugging Face hub expect it.

    Raises
    ------
    InvalidRequest
        If the body, an input or a parameter is wrong.
    """
    payload = read_payload(body, content_type, task)
    answers = answer_payload(task, payload)
    if isinstance(answers[0], Media):
        if payload.is_list:
            raise InvalidRequest("several inputs given, one expected: its answer is one file")
        return TaskAnswer(answers[0].body, answers[0].content_type)
    return TaskAnswer(write_json(shape_answers(task, payload, answers)), JSON)


def shape_answers(task: Task, payload: Payload, answers: list[Any]) -> Any:
    """Return one answer for one input, a list for a list."""
    return answers if payload.is_list or task.answers_in_list else answers[0]


def write_json(value: Any) -> bytes:
    """Write an answer as JSON; floats in their shortest digits, files in base64."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_encode).encode()


def _encode(value: Any) -> Any:
    if isinstance(value, Media):
        return {"base64": b64encode(value.body).decode(), "content_type": value.content_type}
    raise TypeError(f"{type(value).__name__} is no JSON value")
