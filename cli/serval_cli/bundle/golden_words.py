"""Golden requests in the words of a task or a handler: what is sent, and what is expected."""

import base64
import json
from collections.abc import Mapping
from typing import Any

from serval_cli.api.task_input import build_body, existing_file


def request_of(task: str, given: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request of what a person types or names, as JSON.

    Raises
    ------
    CommandFailed
        If the task does not take it.
    """
    request: dict[str, Any] = json.loads(build_body(task, given, parameters, as_json=True).content)
    return request


def handler_body(given: str) -> Any:
    """Return a handler's body: JSON as it is; text, or other files in base64, as ``inputs``."""
    path = existing_file(given)
    content = given.encode() if path is None else path.read_bytes()
    try:
        return json.loads(content)
    except ValueError:
        pass
    try:
        return {"inputs": content.decode()}
    except UnicodeDecodeError:
        return {"inputs": base64.b64encode(content).decode()}


def expected_answer(content_type: str, body: bytes) -> Any:
    """Return what a golden request expects of an answer: of a file its type alone."""
    if "json" in content_type:
        return without_masks(json.loads(body))
    return {"content_type": content_type.partition(";")[0]}


def without_masks(answer: Any) -> Any:
    """Leave out masks, whose edges may differ by a pixel between processors."""
    if not isinstance(answer, list):
        return answer
    return [
        {key: value for key, value in one.items() if key != "mask"}
        if isinstance(one, dict)
        else one
        for one in answer
    ]


def write_words(golden: Mapping[str, Any]) -> str:
    """Write a golden request as a line, its end included."""
    return json.dumps(golden, ensure_ascii=False) + "\n"
