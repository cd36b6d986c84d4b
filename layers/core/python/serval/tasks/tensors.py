"""A task in tensors: what people have as BYTES, for the protocols that speak tensors alone.

Inputs are BYTES [n]: ``text``, ``image`` or ``audio``, or ``args`` with one JSON object an element
for rows and arguments. ``parameters``, one JSON object, may come beside them. The output
``answers`` is BYTES [n], one JSON value an element, or one file.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from serval.errors import InvalidTensor
from serval.foreign import refusing
from serval.models.task_signature import ANSWERS, NAMES, PARAMETERS
from serval.models.tensor import Tensor
from serval.short_repr import short_repr
from serval.tasks.call import check_text_size, write_json
from serval.tasks.parameters import Parameters
from serval.tasks.payload import Payload
from serval.tasks.task import InputKind, Media, Task


def run_task(task: Task, tensors: Sequence[Tensor]) -> list[Tensor]:
    """Answer inputs that fit the task's signature.

    Raises
    ------
    InvalidRequest
        If an input or a parameter is wrong.
    """
    by_name = {tensor.name: tensor for tensor in tensors}
    name = NAMES[task.takes]
    elements = by_name[name].array.tolist()
    inputs = [_read(element, task.takes, name, index) for index, element in enumerate(elements)]
    parameters = Parameters(_read_parameters(by_name.get(PARAMETERS)))
    parameters.expect(task.accepts)
    check_text_size(inputs)
    answers = np.empty(len(inputs), np.object_)
    answers[:] = [_write(answer) for answer in task.answer(inputs, parameters)]
    return [Tensor(ANSWERS, "BYTES", answers)]


def task_tensors(task: Task, payload: Payload) -> list[Tensor]:
    """Write the inputs and parameters of a call as tensors that ``run_task`` reads."""
    elements = np.empty(len(payload.inputs), np.object_)
    elements[:] = [_write_input(one) for one in payload.inputs]
    tensors = [Tensor(NAMES[task.takes], "BYTES", elements)]
    if payload.parameters.values:
        parameters = np.empty(1, np.object_)
        parameters[0] = write_json(dict(payload.parameters.values))
        tensors.append(Tensor(PARAMETERS, "BYTES", parameters))
    return tensors


def _write_input(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    return value.encode() if isinstance(value, str) else write_json(value)


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


def _read_parameters(tensor: Tensor | None) -> Mapping[str, Any]:
    return {} if tensor is None else _read_object(tensor.array[0], PARAMETERS, 0)


def _write(answer: Any) -> bytes:
    return answer.body if isinstance(answer, Media) else write_json(answer)
