"""One call of a task: from a body to what is sent back."""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from serval.errors import InvalidInputs
from serval.protocol.json_values import spell_non_finite
from serval.tasks.payload import FEWER, Payload
from serval.tasks.task import Media, Task

JSON = "application/json"
ONE_FILE = "several inputs given, one expected: its answer is one file"
MOST_TEXT_BYTES = 500_000
"""Of the texts of a call together: a token takes hundreds of bytes while a text is split."""


@dataclass(frozen=True, slots=True)
class TaskAnswer:
    """The body of a reply."""

    body: bytes
    content_type: str


def check_text_size(inputs: Sequence[Any]) -> None:
    """Refuse more text than can be split into tokens in the memory of a small function.

    Raises
    ------
    InvalidInputs
        If the texts of a call are too long together.
    """
    size = sum(map(_text_bytes, inputs))
    if size > MOST_TEXT_BYTES:
        raise InvalidInputs(f"text: {size} bytes, at most {MOST_TEXT_BYTES} allowed; {FEWER}")


def _text_bytes(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode("utf-8", "surrogatepass"))
    if isinstance(value, Mapping):
        return sum(map(_text_bytes, value.values()))
    return sum(map(_text_bytes, value)) if isinstance(value, list) else 0


def answer_payload(task: Task, payload: Payload) -> list[Any]:
    """Answer the inputs of a call, one answer each.

    Raises
    ------
    InvalidRequest
        If an input or a parameter is wrong.
    """
    check_text_size(payload.inputs)
    answers = task.answer(payload.inputs, payload.parameters)
    if len(answers) != len(payload.inputs):
        raise AssertionError(f"{len(answers)} answers to {len(payload.inputs)} inputs")
    return answers


def write_answers(task: Task, payload: Payload, answers: list[Any]) -> TaskAnswer:
    """Write the answers of a call as clients of the Hugging Face hub expect them.

    Raises
    ------
    InvalidRequest
        If several answers are files, of which a reply has room for one.
    """
    if isinstance(answers[0], Media):
        if payload.is_list:
            raise InvalidInputs(ONE_FILE)
        return TaskAnswer(answers[0].body, answers[0].content_type)
    return TaskAnswer(write_json(shape_answers(task, payload, answers)), JSON)


def shape_answers(task: Task, payload: Payload, answers: list[Any]) -> Any:
    """Return one answer for one input, a list for a list."""
    return answers if payload.is_list or task.answers_in_list else answers[0]


def write_json(value: Any) -> bytes:
    """Write an answer as JSON; floats in their shortest digits, files in base64.

    Numbers that JSON lacks are text, as in an inference response.
    """
    write = partial(json.dumps, ensure_ascii=False, allow_nan=False, default=_encode)
    try:
        return write(value).encode()
    except ValueError:  # NaN or an infinity
        return write(spell_non_finite(value)).encode()


def _encode(value: Any) -> Any:
    if isinstance(value, Media):
        return {"base64": b64encode(value.body).decode(), "content_type": value.content_type}
    raise TypeError(f"{type(value).__name__} is no JSON value")
