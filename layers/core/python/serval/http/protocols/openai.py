"""OpenAI's API: ``POST /v1/chat/completions``, ``/v1/completions`` and ``/v1/embeddings``.

The body names the model, unless the path begins with ``/models/{model}``: then the path does.
Specification: https://platform.openai.com/docs/api-reference.
"""

import re
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from serval.errors import InvalidParameter, PathNotFound
from serval.http.call import JSON, HttpCall
from serval.http.protocols.protocol import Asked, Written
from serval.inference.loaded import Loaded
from serval.protocol.content import to_bytes
from serval.protocol.limits import RequestLimits
from serval.tasks.call import write_json
from serval.tasks.openai.chat import answer_chat
from serval.tasks.openai.completions import answer_completion
from serval.tasks.openai.document import AnswerHead, read_body
from serval.tasks.openai.embeddings import answer_embeddings
from serval.tasks.task import Task

Answer = Callable[[Task | None, Mapping[str, Any], AnswerHead], dict[str, Any]]
PATH = re.compile(r"(?:/models/[^/]+)?/v1/(.+?)/?")
ANSWERS: Mapping[str, Answer] = {
    "chat/completions": answer_chat,
    "completions": answer_completion,
    "embeddings": answer_embeddings,
}
BODY = RequestLimits(2**22, 2**22)
"""Bytes of a body: text is bounded more narrowly, and the model is known only afterwards."""
FEWER = "ask for fewer choices, dimensions or inputs at once, or for 'base64'"


def address(call: HttpCall) -> tuple[str, str | None]:
    """Return the model in the path or the body, and the version in a header."""
    _find_answer(call)
    if call.path.startswith("/models/"):
        return call.model, call.version
    model = _read_document(call).get("model")
    if not isinstance(model, str):
        raise InvalidParameter("model", model, "the name of a model")
    return model, call.version


def read(loaded: Loaded, call: HttpCall, limits: RequestLimits) -> Asked[dict[str, Any]]:
    """Read a body; whether it fits the model's task shows when it is answered."""
    record = loaded.record
    is_handler = record.runtime == "python"
    head = AnswerHead(
        call.id, int(time.time()), record.model, record.version, record.task, is_handler
    )
    answer = _find_answer(call)
    return Asked(partial(answer, loaded.task, _read_document(call), head), write)


def write(answer: dict[str, Any]) -> Written:
    """Write an answer."""
    return Written(write_json(answer), JSON, lambda _: FEWER)


def _find_answer(call: HttpCall) -> Answer:
    found = PATH.fullmatch(call.path)
    answer = ANSWERS.get(found[1]) if found else None
    if answer is None:
        raise PathNotFound(call.method, call.path, [f"POST /v1/{name}" for name in ANSWERS])
    return answer


def _read_document(call: HttpCall) -> Mapping[str, Any]:
    if call.document is None:
        call.document = read_body(to_bytes(call.read_body(BODY)), BODY.json_bytes)
    document: Mapping[str, Any] = call.document
    return document
