"""``POST /models/{model}[/versions/{version}]``: a task or a handler, in its own words."""

from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from serval.errors import InferenceFailed, UnsupportedFeature
from serval.http.call import HttpCall
from serval.http.protocols.protocol import Asked, Written
from serval.inference.loaded import Loaded
from serval.inference.runtimes import RuntimeFailed
from serval.models.version import ModelVersion
from serval.protocol.limits import RequestLimits

if TYPE_CHECKING:  # a version of tensors pays for no handler
    from serval.handlers.signature import HandlerAnswer

FEWER_INPUTS = "send fewer inputs, or run a batch job over a file of them"
LESS = "let the handler answer with less, or take the answer compressed (Accept-Encoding: gzip)"


@runtime_checkable
class CalledModel(Protocol):
    """A handler, here or elsewhere."""

    def call(self, body: bytes, content_type: str = "", accept: str = "") -> "HandlerAnswer":
        """Call it with one body."""


def address(call: HttpCall) -> tuple[str, str | None]:
    """Return the model in the path, and the version in the path or a header."""
    return call.model, call.version


def read(loaded: Loaded, call: HttpCall, limits: RequestLimits) -> Asked[Any]:
    """Read the inputs of a task, or the body of a handler's call.

    Raises
    ------
    UnsupportedFeature
        If the version has neither.
    """
    body, headers = call.read_body(limits), call.headers
    content_type = headers.get("content-type", "")
    if loaded.record.runtime == "python":
        return ask_handler(loaded, body, content_type, headers.get("accept", ""))
    return ask_task(loaded, body, content_type, limits.json_bytes)


def ask_task(
    loaded: Loaded, body: str | bytes, content_type: str, json_limit: int
) -> Asked[list[Any]]:
    """Read the inputs of a task; its answer is JSON, or one file."""
    # Imported for a version with a task alone, as is the handlers' for those.
    from serval.tasks.call import answer_payload, write_answers
    from serval.tasks.payload import read_payload

    refuse_without_words(loaded.record)
    task = loaded.task
    if task is None:
        raise AssertionError("the version was loaded without its task")
    payload = read_payload(body, content_type, task, json_limit)

    def write(answers: list[Any]) -> Written:
        answer = write_answers(task, payload, answers)
        return Written(answer.body, answer.content_type, lambda _: FEWER_INPUTS)

    return Asked(partial(answer_payload, task, payload), write)


def refuse_without_words(record: ModelVersion) -> None:
    """Raise ``UnsupportedFeature`` if a version has neither a task nor a handler."""
    if record.task is None and record.runtime != "python":
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
