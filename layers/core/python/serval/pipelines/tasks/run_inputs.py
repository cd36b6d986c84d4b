"""The inputs of one run of a pipeline of a task, as tensors."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from serval.errors import InvalidInputs
from serval.models.task_signature import MESSAGES, PARAMETERS
from serval.models.tensor import Tensor
from serval.pipelines.tasks.inputs import task_inputs
from serval.protocol.binary_tensors import bytes_array

WITHOUT: Mapping[str, bytes] = {PARAMETERS: b"{}", MESSAGES: b"[]"}
"""Input → its value if a call has none."""


def complete_inputs(task: str | None, tensors: Sequence[Tensor]) -> Mapping[str, Tensor]:
    """Return the tensors of one run by name; what the call has none of is empty.

    Raises
    ------
    InvalidInputs
        If there are several inputs of the task.
    """
    given = {tensor.name: tensor for tensor in tensors}
    if task is None:
        return given
    for name, tensor in given.items():
        if tensor.array.shape != (1,):
            count = tensor.array.size
            raise InvalidInputs(f"{name}: {count} inputs given, and a run has one: one expected")
    for name in WITHOUT.keys() & {spec.name for spec in task_inputs(task)} - given.keys():
        given[name] = Tensor(name, "BYTES", bytes_array([WITHOUT[name]], [1]))
    return given


def read_json(tensor: Tensor) -> Any:
    """Read an input that is JSON; raise ``InvalidTensor`` if a caller sent no object."""
    if tensor.name == MESSAGES:  # which no caller sends as a tensor
        return json.loads(tensor.array[0])
    # Imported for an expression that reads one.
    from serval.tasks.tensors import read_call_parameters

    return read_call_parameters(tensor)
