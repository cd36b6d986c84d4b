"""What a pipeline of a task takes: one input of the task, under its name, and the parameters.

A list of inputs is a run of the pipeline for each. As all inputs of pipelines they are tensors,
here BYTES [1]; expressions read ``args`` and ``parameters`` as the JSON that they are.
"""

from collections.abc import Mapping, Sequence

from serval.models.signature import TensorSpec
from serval.models.task_signature import NAMES, PARAMETERS, TAKES
from serval.pipelines.shapes import ANY, SCALAR, Shape

JSON_INPUTS = frozenset((NAMES["arguments"], PARAMETERS))
"""Inputs that expressions read as objects."""
MEMBERS: Mapping[str, Sequence[str]] = {
    "question-answering": ("question", "context"),
    "sentence-similarity": ("source_sentence", "sentences"),
}
"""Task → the members of its ``args``; those of tables are the columns, which nobody declares."""


def task_inputs(task: str) -> tuple[TensorSpec, ...]:
    """Return the inputs of one run: BYTES [1], the input and the parameters."""
    word = NAMES[TAKES.get(task, "text")]
    return TensorSpec(word, "BYTES", (1,)), TensorSpec(PARAMETERS, "BYTES", (1,))


def input_shapes(task: str) -> Mapping[str, Shape]:
    """Return what is known of each input before a run."""
    args: Shape = dict.fromkeys(MEMBERS[task], SCALAR) if task in MEMBERS else ANY
    known: Mapping[str, Shape] = {NAMES["arguments"]: args, PARAMETERS: ANY}
    return {spec.name: known.get(spec.name, SCALAR) for spec in task_inputs(task)}


def is_object(task: str | None, name: str) -> bool:
    """Return whether expressions read an input as an object, and not as a tensor."""
    return task is not None and name in JSON_INPUTS
