"""Batching: which requests share a run, how they are joined along axis 0 and divided again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TypeVar

import numpy as np

from serval.models.signature import Signature
from serval.models.task_signature import OPENAI, PARAMETERS, TASK_INPUTS, answers_row_by_row
from serval.models.tensor import Tensor
from serval.models.version import ModelVersion

ShapeKey = tuple[tuple[str, str, tuple[int, ...]], ...]
"""Name, datatype and the extents after axis 0 of each input; of a task's parameters their text."""
ShareKey = tuple[str, ShapeKey]
"""Version and shape: requests with equal keys can share a run."""
Item = TypeVar("Item")


@dataclass(slots=True)
class Sharing:
    """Decides which requests may share a run, and remembers versions that proved unable to."""

    _excluded: set[tuple[str, str]] = field(default_factory=set)

    def key(self, record: ModelVersion, inputs: Sequence[Tensor]) -> ShareKey | None:
        """Return what a request has in common with those it may share a run with, if any."""
        signature = record.signature
        if (record.model, record.version) in self._excluded:
            return None
        if has_task_inputs(record, inputs):
            return task_key(record, inputs)
        if not is_shareable(signature):
            return None
        if has_optional_inputs(inputs, signature) or rows_in(inputs) is None:
            return None
        return record.version, shape_key(inputs)

    def exclude(self, model: str, version: str) -> None:
        """Never let the requests of a version share a run again, whatever its signature says."""
        self._excluded.add((model, version))


def gather(
    items: Sequence[Item],
    key: Callable[[Item], ShareKey | None],
    rows: Callable[[Item], int],
    most_rows: int,
) -> tuple[list[Item], list[Item]]:
    """Split requests into those that share a run with the first one, and the rest."""
    first, *others = items
    batch, rest, total, shared = [first], [], rows(first), key(first)
    for item in others:
        if shared and key(item) == shared and total + rows(item) <= most_rows:
            batch.append(item)
            total += rows(item)
        else:
            rest.append(item)
    return batch, rest


def has_task_inputs(record: ModelVersion, inputs: Sequence[Tensor]) -> bool:
    """Return whether these are inputs of a version's task, or calls of OpenAI's API.

    A graph may have an input of that name; its rank tells them apart.
    """
    of_task = TASK_INPUTS if record.task is not None else frozenset()
    names = of_task | {OPENAI} if record.speaks_openai else of_task
    if not names:
        return False
    own = {spec.name: len(spec.shape) for spec in record.signature.inputs}
    return any(
        tensor.name in names and own.get(tensor.name) != tensor.array.ndim for tensor in inputs
    )


def task_key(record: ModelVersion, inputs: Sequence[Tensor]) -> ShareKey | None:
    """Return the key of a request to a version's task: its input, and what its parameters say.

    Calls of OpenAI's API share a run if an inference server answers them, which batches by itself.
    """
    given, *beside = inputs
    if given.name == OPENAI:
        return None if record.task is not None else (record.version, shape_key([given]))
    together = answers_row_by_row(record.task or "", record.signature)
    if not together or given.name == PARAMETERS or rows_in([given]) is None:
        return None
    said = [(one.name, one.array[0].decode(errors="replace"), ()) for one in beside]
    return record.version, (*shape_key([given]), *said)


def is_shareable(signature: Signature) -> bool:
    """Return whether axis 0 of every tensor may have any extent, so that requests can share it."""
    specs = (*signature.inputs, *signature.outputs)
    return not signature.rows_interact and all(spec.shape[:1] == (-1,) for spec in specs)


def has_optional_inputs(inputs: Sequence[Tensor], signature: Signature) -> bool:
    """Return whether a request has inputs that it could leave out; such a request runs alone."""
    return len(inputs) > len(signature.inputs)


def rows_in(inputs: Sequence[Tensor]) -> int | None:
    """Count a request's rows; None if its inputs disagree or have none, so that it runs alone."""
    extents = {tensor.array.shape[:1] for tensor in inputs}
    shared = extents.pop() if len(extents) == 1 else ()
    return shared[0] or None if shared else None


def shape_key(inputs: Sequence[Tensor]) -> ShapeKey:
    """Return the shape key of a request, whatever the order of its inputs."""
    return tuple(
        sorted((tensor.name, tensor.datatype, tensor.array.shape[1:]) for tensor in inputs)
    )


def join_inputs(requests: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """Join the inputs of requests of one shape key along axis 0, in the order of the requests."""
    by_name = [{tensor.name: tensor.array for tensor in inputs} for inputs in requests]
    return [
        Tensor(first.name, first.datatype, np.concatenate([own[first.name] for own in by_name]))
        for first in requests[0]
    ]


def divide_outputs(outputs: Sequence[Tensor], rows: Sequence[int]) -> list[list[Tensor]] | None:
    """Divide the outputs of a run by the rows of each request, without copying.

    Returns
    -------
    list[list[Tensor]] or None
        The outputs of each request; None if the outputs lack a row for each row of the inputs.
    """
    if any(tensor.array.shape[:1] != (sum(rows),) for tensor in outputs):
        return None
    ends = list(accumulate(rows))
    return [
        [Tensor(o.name, o.datatype, o.array[end - own : end]) for o in outputs]
        for end, own in zip(ends, rows, strict=True)
    ]
