"""What a pipeline of a task takes: one input of the task, under its name, and the parameters.

For a list of inputs the pipeline runs once for each. Like all inputs of pipelines these are
tensors, here BYTES [1]; expressions read ``args``, ``parameters`` and ``messages`` as JSON.
"""

from collections.abc import Mapping, Sequence

from serval.models.signature import TensorSpec
from serval.models.task_signature import MESSAGES, NAMES, PARAMETERS, TAKES, TEXT_GENERATION
from serval.pipelines.shapes import ANY, SCALAR, Shape

JSON_INPUTS = frozenset((NAMES["arguments"], PARAMETERS, MESSAGES))
"""Inputs that expressions read as JSON."""
MESSAGE: Shape = {"role": SCALAR, "content": SCALAR}
MEMBERS: Mapping[str, Sequence[str]] = {
    "question-answering": ("question", "context"),
    "sentence-similarity": ("source_sentence", "sentences"),
}
"""Task → the members of its ``args``; those of tables are the columns, which nobody declares."""


def task_inputs(task: str) -> tuple[TensorSpec, ...]:
    """Return the inputs of one run: BYTES [1], the input, the parameters and a chat."""
    chat = (MESSAGES,) if task == TEXT_GENERATION else ()
    names = (NAMES[TAKES.get(task, "text")], PARAMETERS, *chat)
    return tuple(TensorSpec(name, "BYTES", (1,)) for name in names)


def input_shapes(task: str) -> Mapping[str, Shape]:
    """Return what is known of each input's shape before a run."""
    args: Shape = dict.fromkeys(MEMBERS[task], SCALAR) if task in MEMBERS else ANY
    known: Mapping[str, Shape] = {NAMES["arguments"]: args, PARAMETERS: ANY, MESSAGES: MESSAGE}
    return {spec.name: known.get(spec.name, SCALAR) for spec in task_inputs(task)}


def is_json(task: str | None, name: str) -> bool:
    """Return whether expressions read an input as JSON, and not as a tensor."""
    return task is not None and name in JSON_INPUTS
