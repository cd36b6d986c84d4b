"""A task in tensors: what people have as BYTES, for the protocols that speak tensors alone.

Inputs are BYTES [n]: ``text``, ``image`` or ``audio``, or ``args`` with one JSON object an element
for rows, arguments and pairs of texts. ``parameters``, one JSON object, may come beside them. The
output ``answers`` is BYTES [n], one JSON value an element, or one file.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from serval.errors import InvalidInputs, InvalidTensor
from serval.foreign import refusing
from serval.models.task_signature import ANSWERS, NAMES, PARAMETERS, TAKES
from serval.models.tensor import Tensor
from serval.protocol.binary_tensors import bytes_array
from serval.short_repr import short_repr
from serval.tasks.call import check_text_size, write_json
from serval.tasks.parameter_rules import check_inputs, check_parameters, known_parameters
from serval.tasks.parameters import Parameters
from serval.tasks.payload import Payload
from serval.tasks.task import InputKind, Media, TableTask, Task, TaskCalls


@dataclass(frozen=True, slots=True)
class KnownTask:
    """A task of which nothing but its name is here."""

    takes: InputKind
    accepts: frozenset[str] | None

    @classmethod
    def by_name(cls, name: str) -> "KnownTask":
        """Find what is the same for all its models."""
        return cls(cast(InputKind, TAKES.get(name, "text")), known_parameters(name))


def run_task(task: Task, tensors: Sequence[Tensor]) -> list[Tensor]:
    """Answer inputs that fit the task's signature.

    Raises
    ------
    InvalidRequest
        If an input or a parameter is wrong.
    """
    inputs, parameters = read_call(task, tensors)
    return write_answer_tensors(task.answer(inputs, parameters))


def check_call(task: str, tensors: Sequence[Tensor]) -> None:
    """Refuse a call that fits a task's signature, and that no model of the task answers.

    Raises
    ------
    InvalidRequest
        If an input or a parameter is wrong.
    """
    inputs, parameters = read_call(KnownTask.by_name(task), tensors)
    check_parameters(task, parameters)
    check_inputs(task, inputs)


def read_call(task: TaskCalls, tensors: Sequence[Tensor]) -> tuple[list[Any], Parameters]:
    """Read the inputs and the parameters of a call that fits the task's signature.

    Raises
    ------
    InvalidRequest
        If an input or a parameter is wrong.
    """
    by_name = {tensor.name: tensor for tensor in tensors}
    kind: InputKind = task.takes if NAMES[task.takes] in by_name else "arguments"
    name = NAMES[kind]
    elements = by_name[name].array.tolist()
    inputs = [_read(element, kind, name, index) for index, element in enumerate(elements)]
    parameters = Parameters(read_call_parameters(by_name.get(PARAMETERS)))
    parameters.expect(task.accepts)
    check_text_size(inputs)
    return inputs, parameters


def write_answer_tensors(answers: Sequence[Any]) -> list[Tensor]:
    """Write answers as the output of the task's signature."""
    return [_tensor(ANSWERS, [_write(answer) for answer in answers])]


def run_columns(task: TableTask, tensors: Sequence[Tensor]) -> list[Tensor]:
    """Answer rows of a table that are there as one tensor [rows] for each column, in order.

    Raises
    ------
    InvalidRequest
        If a text is missing that the model does not fill in, or a row has no answer.
    """
    arrays = [tensor.array for tensor in tensors]
    columns = dict(zip(task.columns.names, arrays, strict=True))
    task.columns.check_texts(columns)
    answers = task.answer_columns(columns, len(arrays[0]))
    return [_tensor(ANSWERS, [write_json(answer) for answer in answers])]


def task_tensors(kind: InputKind, payload: Payload) -> list[Tensor]:
    """Write the inputs and parameters of a call as tensors that ``run_task`` reads.

    Raises
    ------
    InvalidInputs
        If a text is not Unicode, as half a surrogate pair is not.
    """
    if kind == "text" and not all(isinstance(one, str) for one in payload.inputs):
        kind = "arguments"
    parameters = dict(payload.parameters.values)
    with refusing(lambda said: InvalidInputs(f"the inputs cannot be written: {said}")):
        tensors = [_tensor(NAMES[kind], [_write_input(one, kind) for one in payload.inputs])]
        if parameters:
            tensors.append(_tensor(PARAMETERS, [write_json(parameters)]))
    return tensors


def _tensor(name: str, elements: Sequence[bytes]) -> Tensor:
    return Tensor(name, "BYTES", bytes_array(elements, [len(elements)]))


def _write_input(value: Any, kind: InputKind) -> bytes:
    if isinstance(value, bytes):
        return value
    if kind == "text":
        return str(value).encode()
    return write_json({"text": value} if isinstance(value, str) else value)


def _read(element: bytes, kind: InputKind, name: str, index: int) -> Any:
    if kind in ("image", "audio"):
        return element
    with refusing(lambda said: InvalidTensor(name, f"element {index} is not UTF-8: {said}")):
        text = element.decode()
    return text if kind == "text" else _read_object(text, name, index)


def _read_object(text: str | bytes, name: str, index: int) -> Mapping[str, Any]:
    with refusing(lambda said: InvalidTensor(name, f"element {index} is not JSON: {said}")):
        value = json.loads(text)
    if not isinstance(value, dict):
        raise InvalidTensor(name, f"element {index}: {short_repr(value)} given, an object expected")
    return value


def read_call_parameters(tensor: Tensor | None) -> Mapping[str, Any]:
    """Read the parameters of a call; raise ``InvalidTensor`` if they are no JSON object."""
    return {} if tensor is None else _read_object(tensor.array[0], PARAMETERS, 0)


def _write(answer: Any) -> bytes:
    return answer.body if isinstance(answer, Media) else write_json(answer)
