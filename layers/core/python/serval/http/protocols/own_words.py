"""``POST /models/{model}[/versions/{version}]``: a task or a handler, in its own words."""

import base64
import json
import re
from collections.abc import Collection
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from serval.errors import InferenceFailed, UnsupportedFeature
from serval.http.call import JSON, HttpCall
from serval.http.protocols.protocol import Asked, AskedStream, Written
from serval.inference.loaded import Loaded
from serval.inference.runtimes import RuntimeFailed
from serval.models.version import PIPELINE, ModelVersion
from serval.protocol.content import media_type
from serval.protocol.limits import RequestLimits

if TYPE_CHECKING:  # a version of tensors pays for no handler
    from serval.handlers.signature import HandlerAnswer

FEWER_INPUTS = "send fewer inputs, or run a batch job over a file of them"
BODY = RequestLimits(2**22, 2**22)
"""Bytes of a body that may ask for a stream: text is bounded more narrowly."""
MENTIONS_STREAM = re.compile(rb'"stream"\s*:\s*true')
LESS = "let the handler answer with less, or take the answer compressed (Accept-Encoding: gzip)"


@runtime_checkable
class CalledModel(Protocol):
    """A handler, here or elsewhere."""

    def call(self, body: bytes, content_type: str = "", accept: str = "") -> "HandlerAnswer":
        """Call it with one body."""


def address(call: HttpCall) -> tuple[str, str | None]:
    """Return the model in the path, and the version in the path or a header."""
    call.wants_stream = asks_for_stream(call)
    return call.model, call.version


def asks_for_stream(call: HttpCall) -> bool:
    """Return whether a body in JSON says ``"stream": true`` beside its inputs."""
    body = call.event.get("body") or ""
    if call.event.get("isBase64Encoded"):
        # curl calls a body a form unless it is told otherwise, and the gateway encodes forms.
        says_json = media_type(call.headers.get("content-type", "")) == JSON
        if not says_json and not begins_as_object(body):
            return False
        body = call.read_body(BODY)
    sent = body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass")
    # A look before parsing: hardly any body has it.
    if not MENTIONS_STREAM.search(sent):
        return False
    try:
        document = json.loads(sent)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and document.get("stream") is True


def begins_as_object(encoded: str) -> bool:
    """Return whether a body in base64 begins as a JSON object does."""
    try:
        return base64.b64decode(encoded[:64]).lstrip().startswith(b"{")
    except ValueError:  # No base64: whoever reads the body says so.
        return False


def stream(loaded: Loaded, call: HttpCall, limits: RequestLimits) -> AskedStream:
    """Read a text of which the task writes on, token by token.

    Raises
    ------
    UnsupportedFeature
        If the version has another task, or none.
    """
    from serval.http.distant import DistantTask
    from serval.http.protocols.in_events import in_event, in_events
    from serval.tasks.call import check_text_size
    from serval.tasks.generation.stream_text import stream_text
    from serval.tasks.generation.text_generation import TextGeneration
    from serval.tasks.payload import read_payload
    from serval.tasks.preparation import PreparesTexts

    record, task = loaded.record, loaded.own_task
    if record.runtime != PIPELINE:
        refuse_without_words(record)
    if not isinstance(task, TextGeneration | DistantTask | PreparesTexts):
        raise UnsupportedFeature(
            f"model {record.model!r} version {record.version!r} answers as a whole: streams need "
            "the task 'text-generation'; leave 'stream' out"
        )
    content_type = call.headers.get("content-type", "")
    body = call.read_body(limits)
    payload = read_payload(body, content_type, task, limits.json_bytes, streams=(True,))
    check_text_size(payload.inputs)
    if isinstance(task, DistantTask):
        pieces = task.tell(payload)
    else:
        pieces = in_events(stream_text(task, payload.inputs, payload.parameters))
    return AskedStream(
        pieces, lambda error: in_event({"error": str(error), "error_type": "generation"})
    )


def read(loaded: Loaded, call: HttpCall, limits: RequestLimits) -> Asked[Any]:
    """Read the inputs of a task or a pipeline, or the body of a handler's call.

    Raises
    ------
    UnsupportedFeature
        If the version has neither.
    """
    body, headers = call.read_body(limits), call.headers
    content_type = headers.get("content-type", "")
    if loaded.record.runtime == PIPELINE and loaded.task is None:
        # Imported for a version that is one.
        from serval.http.protocols.pipelines import ask_pipeline

        return ask_pipeline(loaded, body, content_type, limits.json_bytes)
    if loaded.record.takes_bodies:
        return ask_handler(loaded, body, content_type, headers.get("accept", ""))
    return ask_task(loaded, body, content_type, limits.json_bytes)


def ask_task(
    loaded: Loaded,
    body: str | bytes,
    content_type: str,
    json_limit: int,
    streams: Collection[bool] = (False,),
) -> Asked[list[Any]]:
    """Read the inputs of a task; its answer is JSON, or one file.

    ``streams`` is what a ``stream`` beside the inputs may be.
    """
    # Imported for a version with a task alone, as is the handlers' for those.
    from serval.tasks.call import answer_payload, write_answers
    from serval.tasks.payload import read_payload

    refuse_without_words(loaded.record)
    task = loaded.task
    if task is None:
        raise AssertionError("the version was loaded without its task")
    payload = read_payload(body, content_type, task, json_limit, streams=streams)

    def write(answers: list[Any]) -> Written:
        answer = write_answers(task, payload, answers)
        return Written(answer.body, answer.content_type, lambda _: FEWER_INPUTS)

    return Asked(partial(answer_payload, task, payload), write)


def refuse_without_words(record: ModelVersion) -> None:
    """Raise ``UnsupportedFeature`` if a version has no task and takes no bodies."""
    if record.task is None and not record.takes_bodies:
        raise UnsupportedFeature(
            f"model {record.model!r} version {record.version!r} has no task and takes tensors "
            f"alone: POST /v2/models/{record.model}/infer, or set 'task:' in its model.yaml"
        )


def ask_handler(loaded: Loaded, body: str | bytes, content_type: str, accept: str) -> Asked[Any]:
    """Hand a body on to a handler, whose answer goes back as it is."""
    record, model = loaded.record, loaded.model
    if not isinstance(model, CalledModel):
        raise InferenceFailed(record.model, record.version, "it is no handler")
    raw = body.encode() if isinstance(body, str) else body

    def run() -> "HandlerAnswer":
        try:
            return model.call(raw, content_type, accept)
        except RuntimeFailed as error:
            raise InferenceFailed(record.model, record.version, str(error)) from error

    return Asked(run, lambda answer: Written(answer.body, answer.content_type, lambda _: LESS))
