"""A call of OpenAI's API: one document in, one document out.

A model somewhere else gets it as an element of the tensor ``openai`` (BYTES), and answers with an
element of ``answers``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from serval.errors import InvalidInputs, InvalidParameter
from serval.foreign import refusing
from serval.models.task_signature import ANSWERS
from serval.models.tensor import Tensor
from serval.models.version import ModelVersion
from serval.protocol.binary_tensors import bytes_array
from serval.tasks.call import write_json
from serval.tasks.openai.body_rules import check_body
from serval.tasks.openai.document import AnswerHead, read_body
from serval.tasks.preparation import PreparesTexts
from serval.tasks.task import Task

if TYPE_CHECKING:
    from serval.tasks.openai.one_text import OneText

OPERATIONS: Mapping[str, str] = {
    "chat/completions": "chat:answer_chat",
    "completions": "completions:answer_completion",
    "embeddings": "embeddings:answer_embeddings",
}
"""What may be asked for → its module in this package, and the function in that.

A module is imported only by what answers with it: callers of models elsewhere have no tokenizer.
"""
STREAMS: Mapping[str, str] = {
    "chat/completions": "chat:stream_chat",
    "completions": "completions:stream_completion",
}
"""What may be asked for in pieces, in the same way."""
TEXTS: Mapping[str, str] = {
    "chat/completions": "chat:open_chat",
    "completions": "completions:open_completion",
}
"""What is one text that another process may go on with, likewise."""
MOST_BYTES = 2**22
"""Of a body: text is bounded more narrowly."""
Answer = Callable[[Task | None, Mapping[str, Any], AnswerHead], dict[str, Any]]
Stream = Callable[[Task | None, Mapping[str, Any], AnswerHead], Iterator[dict[str, Any]]]
OpenText = Callable[[Task | None, Mapping[str, Any], AnswerHead, Sequence[int]], "OneText"]


@dataclass(frozen=True, slots=True)
class OpenAICall:
    """A call, whichever model it is for."""

    operation: str
    """One of ``OPERATIONS``."""
    model: str
    """Its name to the caller."""
    id: str
    created: int
    """Seconds since 1970."""
    body: Mapping[str, Any]

    def to_element(self) -> bytes:
        """Write it as the element of a tensor.

        Raises
        ------
        InvalidInputs
            If a text is not Unicode, as half a surrogate pair is not.
        """
        call = {field.name: getattr(self, field.name) for field in fields(self)}
        with refusing(lambda said: InvalidInputs(f"the body cannot be written: {said}")):
            return write_json(call)

    @classmethod
    def from_element(cls, element: bytes) -> "OpenAICall":
        """Read an element.

        Raises
        ------
        InvalidRequest
            If it is none that ``to_element`` writes.
        """
        given = read_body(element, MOST_BYTES)
        operation, body = given.get("operation"), given.get("body")
        if not isinstance(operation, str) or operation not in OPERATIONS:
            raise InvalidParameter("operation", operation, f"one of: {', '.join(OPERATIONS)}")
        if not isinstance(body, dict):
            raise InvalidParameter("body", body, "an object")
        created = given.get("created")
        moment = created if isinstance(created, int) else 0
        return cls(operation, str(given.get("model")), str(given.get("id")), moment, body)

    def head(self, record: ModelVersion) -> AnswerHead:
        """Return the head of a version's answer."""
        is_handler = record.takes_bodies
        return AnswerHead(
            self.id, self.created, record.model, record.version, record.task, is_handler
        )


def check_calls(elements: Sequence[bytes], record: ModelVersion) -> None:
    """Refuse calls, as elements of a tensor, that no model of the version's task answers.

    Raises
    ------
    InvalidRequest
        As ``answer_calls`` does.
    """
    for element in elements:
        call = OpenAICall.from_element(element)
        check_body(call.operation, call.body, call.head(record))


def answer_call(call: OpenAICall, record: ModelVersion, task: Task | None) -> dict[str, Any]:
    """Answer a call by a version's task.

    Raises
    ------
    InvalidRequest
        If the version has another task, or the body asks for what it does not do.
    """
    answer, head = cast(Answer, _find(OPERATIONS, call)), call.head(record)
    if isinstance(task, PreparesTexts):
        # Imported for a pipeline: it reads with a tokenizer.
        from serval.tasks.openai.prepared import prepare_call

        with prepare_call(task, call.operation, call.body, head) as (writer, body):
            return answer(writer, body, head)
    return answer(task, call.body, head)


def stream_call(
    call: OpenAICall, record: ModelVersion, task: Task | None
) -> Iterator[dict[str, Any]]:
    """Answer a call in chunks; the first raises what ``answer_call`` raises."""
    stream, head = cast(Stream, _find(STREAMS, call)), call.head(record)
    if isinstance(task, PreparesTexts):
        return _stream_prepared(stream, task, call, head)
    return stream(task, call.body, head)


def _stream_prepared(
    stream: Stream, task: PreparesTexts, call: OpenAICall, head: AnswerHead
) -> Iterator[dict[str, Any]]:
    # Imported as above.
    from serval.tasks.openai.prepared import prepare_call

    with prepare_call(task, call.operation, call.body, head) as (writer, body):
        yield from stream(writer, body, head)


def open_call(
    element: bytes,
    record: ModelVersion,
    task: Task | None,
    name: str,
    seed: int,
    begun: Sequence[int],
) -> "OneText":
    """Open the text that a call, sent as an element of a tensor, asks for.

    Parameters
    ----------
    name
        What the answer is called.
    seed
        What the text is drawn by, unless the call has a seed: the same for each attempt.
    begun
        The tokens that were written before.

    Raises
    ------
    InvalidRequest
        As ``answer_call`` does, or if it asks for no text, or for several.
    """
    call = OpenAICall.from_element(element)
    if call.operation not in TEXTS:
        raise InvalidParameter("operation", call.operation, f"one of: {', '.join(TEXTS)}")
    given = call.body.get("seed")
    body = {**call.body, "seed": seed if given is None else given}
    opened = cast(OpenText, _find(TEXTS, call))
    return opened(task, body, replace(call, id=name).head(record), begun)


def _find(functions: Mapping[str, str], call: OpenAICall) -> Any:
    module, _, name = functions[call.operation].partition(":")
    return getattr(import_module(f"serval.tasks.openai.{module}"), name)


def answer_calls(elements: Sequence[bytes], record: ModelVersion, task: Task) -> list[Tensor]:
    """Answer calls that came as elements of a tensor, as ``answer_call`` does."""
    answers = [answer_call(OpenAICall.from_element(one), record, task) for one in elements]
    written = [write_json(answer) for answer in answers]
    return [Tensor(ANSWERS, "BYTES", bytes_array(written, [len(written)]))]
