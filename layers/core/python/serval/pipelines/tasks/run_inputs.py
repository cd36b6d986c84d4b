"""The inputs of one run of a pipeline of a task, where tensors are."""

from collections.abc import Mapping, Sequence
from typing import Any

from serval.errors import InvalidInputs
from serval.models.task_signature import PARAMETERS
from serval.models.tensor import Tensor
from serval.protocol.binary_tensors import bytes_array

NO_PARAMETERS = b"{}"


def complete_inputs(task: str | None, tensors: Sequence[Tensor]) -> Mapping[str, Tensor]:
    """Return the tensors of one run by name; a call that has no parameters has ``{}``.

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
    given.setdefault(PARAMETERS, Tensor(PARAMETERS, "BYTES", bytes_array([NO_PARAMETERS], [1])))
    return given


def read_object(tensor: Tensor) -> Any:
    """Read an input that is an object; raise ``InvalidTensor`` if it is none."""
    # Imported for an expression that reads one.
    from serval.tasks.tensors import read_call_parameters

    return read_call_parameters(tensor)
