"""Answers of the model to a block's rows: runs of suitable size, with bad rows found by halving."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from serval.batch.input.records import Rows
from serval.batch.job.asked_versions import AskedVersions
from serval.errors import InferenceFailed, InvalidRequest
from serval.inference.loaded import Loaded
from serval.inference.run import run_batch_task
from serval.inference.runtimes import Model, RuntimeFailed
from serval.models.signature import TensorSpec
from serval.models.tensor import Array, Tensor

if TYPE_CHECKING:  # models of tensors pay for no pipeline
    from serval.pipelines.model import PipelineModel


@dataclass(frozen=True, slots=True)
class FailedRow:
    """A row that the model cannot answer."""

    row: int
    reason: str


@dataclass(frozen=True, slots=True)
class Answers:
    """Outputs of the answered rows, in order, and the rows that failed."""

    outputs: tuple[Tensor, ...]
    failures: tuple[FailedRow, ...]


class RowsPostponed(Exception):
    """Rows are not answered yet: the block is to be run again, after so many seconds."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"the rows are not answered yet, and are looked for in {seconds} s")
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class TaskModel:
    """A version's task as a model whose tensors are what people have."""

    loaded: Loaded

    def run(self, inputs: Sequence[Tensor], outputs: Sequence[TensorSpec]) -> list[Tensor]:
        """Answer inputs that fit the task's signature to batch jobs."""
        try:
            return run_batch_task(self.loaded, inputs)
        except InferenceFailed as error:
            raise RuntimeFailed(str(error)) from error


@dataclass(frozen=True, slots=True)
class PipelineRows:
    """A pipeline as a model of rows; one that gives JSON is called for each row by itself."""

    loaded: Loaded
    asked: AskedVersions = field(default_factory=AskedVersions)
    """What its steps have asked."""

    def run(self, inputs: Sequence[Tensor], outputs: Sequence[TensorSpec]) -> list[Tensor]:
        """Answer rows that fit the signature to batch jobs."""
        try:
            if not self.loaded.record.answers_in_json:
                return self._run_once(inputs, outputs)
            answers = [self._run_once(row, outputs) for row in split_rows(inputs)]
        except InferenceFailed as error:
            raise RuntimeFailed(str(error)) from error
        return join_rows(answers)

    def _run_once(self, inputs: Sequence[Tensor], outputs: Sequence[TensorSpec]) -> list[Tensor]:
        model = cast("PipelineModel", self.loaded.model)
        try:
            return model.run(inputs, outputs)
        finally:  # a row that fails has asked, too
            self.asked.add(model.times.versions)


def split_rows(inputs: Sequence[Tensor]) -> Iterator[Sequence[Tensor]]:
    """Yield each row by itself."""
    for row in range(len(inputs[0].array)):
        yield [Tensor(t.name, t.datatype, t.array[row : row + 1]) for t in inputs]


def join_rows(answers: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """Return the answers of a pipeline that gives JSON, one for each row, as one tensor."""
    [first] = answers[0]
    arrays = [answer.array for [answer] in answers]
    return [Tensor(first.name, first.datatype, np.concatenate(arrays))]


def answer_rows(
    model: Model,
    rows: Rows,
    outputs: Sequence[TensorSpec],
    most: int,
    went: Callable[[int, int], object] = lambda done, failed: None,
) -> Answers:
    """Run a block's rows, at most ``most`` at a time.

    Parameters
    ----------
    went
        Called after each run with the number of rows done and of failures among them.
    """
    parts: list[list[Tensor]] = []
    failures: list[FailedRow] = []
    start = 0
    for inputs in _runs(rows, most):
        length = len(inputs[0].array)
        for found in _run(model, inputs, outputs, start):
            if isinstance(found, FailedRow):
                failures.append(found)
            else:
                parts.append(found)
        start += length
        went(start, len(failures))
    return Answers(tuple(_concatenate_outputs(parts, outputs)), tuple(failures))


def _runs(rows: Rows, most: int) -> Iterator[tuple[Tensor, ...]]:
    """Split rows into runs; rows of different extents run alone."""
    for inputs in rows.batches(most):
        if all(tensor.array.dtype != object or tensor.datatype == "BYTES" for tensor in inputs):
            yield inputs
            continue
        for index in range(len(inputs[0].array)):
            yield tuple(
                Tensor(tensor.name, tensor.datatype, tensor.array[index][np.newaxis])
                for tensor in inputs
            )


def _run(
    model: Model, inputs: Sequence[Tensor], outputs: Sequence[TensorSpec], start: int
) -> Iterator[list[Tensor] | FailedRow]:
    """Run rows together; if that fails, run each half, down to the row at fault."""
    length = len(inputs[0].array)
    try:
        found = model.run(inputs, outputs)
    except (InvalidRequest, RuntimeFailed) as error:
        if length <= 1:
            yield FailedRow(start, f"the model cannot answer: {error}")
            return
    else:
        if wrong := [tensor for tensor in found if tensor.array.shape[:1] != (length,)]:
            yield from _one_by_one(model, inputs, outputs, start, wrong[0])
            return
        yield found
        return
    for first, last in ((0, length // 2), (length // 2, length)):
        half = [Tensor(t.name, t.datatype, t.array[first:last]) for t in inputs]
        yield from _run(model, half, outputs, start + first)


def _one_by_one(
    model: Model,
    inputs: Sequence[Tensor],
    outputs: Sequence[TensorSpec],
    start: int,
    wrong: Tensor,
) -> Iterator[list[Tensor] | FailedRow]:
    """Run rows one by one, because an output does not have a row for each of them."""
    length = len(inputs[0].array)
    if length == 1:
        yield FailedRow(
            start, f"output {wrong.name!r} has shape {list(wrong.array.shape)}, not [1, …]"
        )
        return
    for index in range(length):
        row = [Tensor(t.name, t.datatype, t.array[index : index + 1]) for t in inputs]
        yield from _run(model, row, outputs, start + index)


def _concatenate_outputs(
    parts: Sequence[Sequence[Tensor]], outputs: Sequence[TensorSpec]
) -> Iterator[Tensor]:
    for index, spec in enumerate(outputs):
        arrays = [part[index].array for part in parts]
        yield Tensor(spec.name, spec.datatype, _concatenate(arrays, spec))


def _concatenate(arrays: Sequence[Array], spec: TensorSpec) -> Array:
    """Concatenate the outputs of runs; different extents give an array of arrays."""
    if not arrays:
        return np.empty((0, *(max(extent, 0) for extent in spec.shape[1:])))
    if len(arrays) == 1:
        return arrays[0]
    if len({array.shape[1:] for array in arrays}) == 1:
        return np.concatenate(arrays)
    ragged = np.empty(sum(map(len, arrays)), object)
    ragged[:] = [row for array in arrays for row in array]
    return ragged


def fail_binary_answers(answers: Answers, rows: int) -> Answers:
    """Turn answers whose bytes are not UTF-8 into failures; ``rows`` is the number of rows run."""
    faults: dict[int, str] = {}
    for tensor in answers.outputs:
        if tensor.datatype == "BYTES":
            for index in _binary_rows(tensor.array):
                faults.setdefault(
                    index,
                    f"output {tensor.name!r} has bytes that are no UTF-8 text: choose output.bytes "
                    "base64",
                )
    if not faults:
        return answers
    failed = {failure.row for failure in answers.failures}
    answered = [row for row in range(rows) if row not in failed]
    kept = np.ones(len(answered), np.bool_)
    kept[list(faults)] = False
    return Answers(
        tuple(Tensor(t.name, t.datatype, t.array[kept]) for t in answers.outputs),
        (*answers.failures, *(FailedRow(answered[at], why) for at, why in sorted(faults.items()))),
    )


def _binary_rows(array: Array) -> Iterator[int]:
    for index, row in enumerate(array.tolist()):
        try:
            decode_row(row)
        except UnicodeDecodeError:
            yield index


def decode_row(value: Any) -> None:
    """Decode every element of a row, which may be nested lists."""
    if isinstance(value, bytes):
        value.decode()
        return
    for each in value:
        decode_row(each)
