"""OpenAI's API: ``POST /v1/chat/completions``, ``/v1/completions`` and ``/v1/embeddings``.

The body names the model, unless the path begins with ``/models/{model}``: then the path does.
Specification: https://platform.openai.com/docs/api-reference.
"""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from serval.errors import InvalidParameter, PathNotFound, UnsupportedFeature
from serval.http.call import JSON, HttpCall
from serval.http.distant import DistantModel
from serval.http.protocols.in_events import in_event, in_events
from serval.http.protocols.protocol import Asked, AskedStream, Written
from serval.http.refusals import describe_for_openai
from serval.http.status import status_of
from serval.inference.loaded import Loaded
from serval.models.task_signature import TEXT_GENERATION
from serval.models.version import PIPELINE, ModelVersion
from serval.protocol.content import to_bytes
from serval.protocol.events import DONE, EVENT_STREAM
from serval.protocol.limits import RequestLimits
from serval.tasks.call import write_json
from serval.tasks.openai.call import (
    MOST_BYTES,
    OPERATIONS,
    STREAMS,
    OpenAICall,
    answer_call,
    stream_call,
)
from serval.tasks.openai.document import (
    asks_for_stream,
    asks_for_texts,
    read_body,
    split_stream,
)
from serval.tasks.openai.whole_stream import chunk_answer

PATH = re.compile(r"(?:/models/[^/]+)?/v1/(.+?)/?")
BODY = RequestLimits(MOST_BYTES, MOST_BYTES)
"""Whatever the function's own limits: the model is known only when the body has been read."""
FEWER = "ask for fewer choices, dimensions or inputs at once, or for 'base64'"


def address(call: HttpCall) -> tuple[str, str | None]:
    """Return the model in the path or the body, and the version in a header."""
    operation = _find_operation(call)
    if operation in STREAMS and asks_for_stream(document := _read_document(call)):
        call.wants_stream, call.wants_texts = True, asks_for_texts(document)
    if call.path.startswith("/models/"):
        return call.model, call.version
    model = _read_document(call).get("model")
    if not isinstance(model, str):
        raise InvalidParameter("model", model, "the name of a model")
    return model, call.version


def read(loaded: Loaded, call: HttpCall, limits: RequestLimits) -> Asked[bytes]:
    """Read a body; whether it fits the model's task shows when it is answered.

    Raises
    ------
    UnsupportedFeature
        If a model somewhere else has no such answers.
    """
    record, asked = loaded.record, _read_asked(loaded, call)
    refuse_pipeline(record)
    if not isinstance(loaded.model, DistantModel):
        return Asked(lambda: write_json(answer_call(asked, record, loaded.own_task)), write)
    if not record.speaks_openai:
        raise asked.head(record).refuse_task("calls of OpenAI's API", "text-generation")
    if not call.wants_stream:
        return Asked(partial(loaded.model.call_openai, asked), write)
    body, with_usage = split_stream(asked.body)
    whole = replace(asked, body=body)
    return Asked(
        partial(loaded.model.call_openai, whole), partial(write_chunks, with_usage=with_usage)
    )


def stream(loaded: Loaded, call: HttpCall, limits: RequestLimits) -> AskedStream:
    """Read a body that asks for a stream."""
    asked, record, model = _read_asked(loaded, call), loaded.record, loaded.model
    refuse_pipeline(record)
    if isinstance(model, DistantModel):
        pieces = model.tell_openai(asked)
    else:
        pieces = in_events(stream_call(asked, record, loaded.own_task))
    return AskedStream(
        pieces, lambda error: in_event(describe_for_openai(error, status_of(error))), DONE
    )


def refuse_pipeline(record: ModelVersion) -> None:
    """Raise ``UnsupportedFeature`` if a version is a pipeline that writes no text."""
    if record.runtime == PIPELINE and record.task != TEXT_GENERATION:
        raise UnsupportedFeature(
            f"model {record.model!r} is a pipeline that writes no text, so it has no answers of "
            f"OpenAI's API: POST /models/{record.model} is how it answers"
        )


def _read_asked(loaded: Loaded, call: HttpCall) -> OpenAICall:
    operation, model = _find_operation(call), loaded.record.model
    return OpenAICall(operation, model, call.id, int(time.time()), _read_document(call))


def write(answer: bytes) -> Written:
    """Write an answer."""
    return Written(answer, JSON, lambda _: FEWER)


def write_chunks(answer: bytes, *, with_usage: bool) -> Written:
    """Write an answer that came whole as the events of a stream."""
    chunks = chunk_answer(json.loads(answer), with_usage=with_usage)
    return Written(b"".join(map(in_event, chunks)) + DONE, EVENT_STREAM, lambda _: FEWER)


def _find_operation(call: HttpCall) -> str:
    found = PATH.fullmatch(call.path)
    operation = found[1] if found else ""
    if operation not in OPERATIONS:
        raise PathNotFound(call.method, call.path, [f"POST /v1/{name}" for name in OPERATIONS])
    return operation


def _read_document(call: HttpCall) -> Mapping[str, Any]:
    if call.document is None:
        call.document = read_body(to_bytes(call.read_body(BODY)), BODY.json_bytes)
    document: Mapping[str, Any] = call.document
    return document
