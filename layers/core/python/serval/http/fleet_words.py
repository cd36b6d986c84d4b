"""A call of a task or a handler on a fleet: as a V2 request, and its answer from the V2 response.

No task is imported here. What only the task knows, such as its parameters, the worker checks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from serval.errors import InvalidInputs
from serval.handlers.contents import guess_type
from serval.handlers.signature import ACCEPT, ANSWER, BODY, CONTENT_TYPE
from serval.http.bodies import SentBody
from serval.http.call import JSON, HttpCall
from serval.http.protocols.own_words import refuse_without_words
from serval.models.signature import TensorSpec
from serval.models.task_signature import (
    ANSWERS_IN_FILES,
    ANSWERS_IN_LIST,
    TAKES,
    task_signature,
)
from serval.models.tensor import Tensor
from serval.models.version import ModelVersion
from serval.protocol.binary_tensors import bytes_array
from serval.protocol.client import read_response, write_request
from serval.protocol.content import to_bytes
from serval.protocol.limits import RequestLimits
from serval.tasks.call import ONE_FILE, check_text_size
from serval.tasks.payload import read_inputs
from serval.tasks.task import InputKind
from serval.tasks.tensors import task_tensors

Write = Callable[[Sequence[Sequence[bytes]]], tuple[bytes, str]]
"""Makes a body and its content type of the elements of the response's outputs."""


@dataclass(frozen=True, slots=True)
class FleetWords:
    """A call in words of its own, as a worker gets it."""

    sent: SentBody
    outputs: Sequence[TensorSpec]
    write: Write

    @classmethod
    def read(cls, call: HttpCall, record: ModelVersion, limits: RequestLimits) -> "FleetWords":
        """Read a call of a version.

        Raises
        ------
        UnsupportedFeature
            If the version has neither a task nor a handler.
        InvalidRequest
            If the body or an input is wrong.
        """
        refuse_without_words(record)
        body = call.read_body(limits)
        if record.runtime == "python":
            return _of_handler(record, to_bytes(body), call)
        return _of_task(record.task or "", body, call, limits.json_bytes)

    def answer(self, response: bytes, header_length: int | None) -> tuple[bytes, str]:
        """Return the answer and its content type from a stored V2 response."""
        length = None if header_length is None else str(header_length)
        tensors = read_response(response, length, self.outputs)
        return self.write([tensor.array.tolist() for tensor in tensors])


def _of_task(task: str, body: str | bytes, call: HttpCall, json_limit: int) -> FleetWords:
    kind = cast(InputKind, TAKES.get(task, "text"))
    payload = read_inputs(body, call.headers.get("content-type", ""), kind, json_limit)
    check_text_size(payload.inputs)
    in_files = task in ANSWERS_IN_FILES
    if in_files and payload.is_list:
        raise InvalidInputs(ONE_FILE)
    is_list = payload.is_list or task in ANSWERS_IN_LIST

    def write(columns: Sequence[Sequence[bytes]]) -> tuple[bytes, str]:
        [answers] = columns
        if in_files:
            return answers[0], guess_type(answers[0])
        return b"[%b]" % b", ".join(answers) if is_list else answers[0], JSON

    outputs = task_signature(task).outputs
    sent = _write_sent(task_tensors(kind, payload), outputs, binary=in_files)
    return FleetWords(sent, outputs, write)


def _of_handler(record: ModelVersion, body: bytes, call: HttpCall) -> FleetWords:
    headers = {
        CONTENT_TYPE: call.headers.get("content-type", ""),
        ACCEPT: call.headers.get("accept", ""),
    }
    # Versions of an earlier Serval take a body alone, and answer without its type.
    known = {spec.name for spec in record.signature.optional}
    given = {BODY: body, **{n: v.encode() for n, v in headers.items() if v and n in known}}
    tensors = [Tensor(name, "BYTES", bytes_array([one], [1])) for name, one in given.items()]
    outputs = record.signature.outputs

    def write(columns: Sequence[Sequence[bytes]]) -> tuple[bytes, str]:
        elements = {spec.name: one[0] for spec, one in zip(outputs, columns, strict=True)}
        answer = elements[ANSWER]
        return answer, elements.get(CONTENT_TYPE, b"").decode() or guess_type(answer)

    return FleetWords(_write_sent(tensors, outputs, binary=True), outputs, write)


def _write_sent(
    tensors: Sequence[Tensor], outputs: Sequence[TensorSpec], *, binary: bool
) -> SentBody:
    head, content = write_request(tensors, outputs, binary_outputs=binary)
    return SentBody(content, len(head))
