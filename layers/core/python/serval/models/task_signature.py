"""The signatures of tasks in tensors (``serval.tasks``), for those who do not import the tasks."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from serval.models.signature import Signature, TensorSpec

PARAMETERS, ANSWERS = "parameters", "answers"
MESSAGES = "messages"
"""Of a chat, to the expressions of a pipeline."""
TEXT_GENERATION = "text-generation"
"""The task whose answers are written token by token."""
NAMES: Mapping[str, str] = {
    "text": "text",
    "image": "image",
    "audio": "audio",
    "table": "args",
    "arguments": "args",
}
TAKES: Mapping[str, str] = {
    "audio-classification": "audio",
    "automatic-speech-recognition": "audio",
    "image-classification": "image",
    "image-segmentation": "image",
    "image-to-text": "image",
    "object-detection": "image",
    "question-answering": "arguments",
    "sentence-similarity": "arguments",
    "tabular-classification": "table",
    "tabular-regression": "table",
    "zero-shot-image-classification": "image",
}
"""What tasks take, for those who must know without importing them; all others take text."""
ANSWERS_IN_LIST = frozenset(
    {
        "image-to-text",
        "summarization",
        "text-classification",
        "text-generation",
        "text2text-generation",
        "translation",
    }
)
"""Tasks whose answer to a single input is sent as a list of one."""
ANSWERS_IN_FILES = frozenset({"text-to-speech"})
"""Tasks whose answer is a file."""

ROW_BY_ROW = frozenset(
    {
        "feature-extraction",
        "fill-mask",
        "image-classification",
        "text-classification",
        "token-classification",
    }
)
"""Tasks that answer each input by itself, so that inputs of several callers may share a run.

Others draw lots, pad what no mask covers, or run their graph several times for an input.
"""
TASK_INPUTS = frozenset(NAMES.values())
"""Names of a task's inputs among tensors."""
OPENAI = "openai"
OPENAI_SIGNATURE = Signature(
    (TensorSpec(OPENAI, "BYTES", (-1,)),), (TensorSpec(ANSWERS, "BYTES", (-1,)),)
)
"""Calls of OpenAI's API, one an element (``serval.tasks.openai.call``)."""
OPENAI_TASKS = frozenset({"feature-extraction", "text-generation"})
"""Tasks that answer such calls."""


LABELLING = (
    "audio-classification",
    "image-classification",
    "object-detection",
    "text-classification",
)
"""Tasks that answer an input with labels and their scores, and need no parameters for that."""


def task_signature(task: str) -> Signature:
    """Return the signature of a task in tensors."""
    kind = TAKES.get(task, "text")
    return Signature(
        (TensorSpec(NAMES[kind], "BYTES", (-1,)),),
        (TensorSpec(ANSWERS, "BYTES", (-1,)),),
        (TensorSpec(PARAMETERS, "BYTES", (1,)),),
    )


def task_signatures(task: str) -> tuple[Signature, ...]:
    """Return all signatures that a task has: a text may also come as an object, such as a pair."""
    usual = task_signature(task)
    if TAKES.get(task, "text") != "text":
        return (usual,)
    objects = TensorSpec(NAMES["arguments"], "BYTES", (-1,))
    return usual, replace(usual, inputs=(objects,))


def answers_row_by_row(task: str, graph: Signature) -> bool:
    """Return whether a task's answer to an input is the same whatever runs beside it.

    Texts are padded to the longest one, which only graphs that take a mask leave out.
    """
    masked = any(spec.name == "attention_mask" for spec in (*graph.inputs, *graph.optional))
    return task in ROW_BY_ROW and (masked or TAKES.get(task, "text") != "text")


def is_batched(task: str) -> bool:
    """Return whether batch jobs bring a task its inputs."""
    return TAKES.get(task, "text") != "arguments"


def takes_table(task: str) -> bool:
    """Return whether a task takes rows of a table."""
    return TAKES.get(task) == "table"


def batch_signature(task: str, graph: Signature, columns: Mapping[str, Sequence[str]]) -> Signature:
    """Return the signature of a task to batch jobs: a table's inputs are its columns.

    Parameters
    ----------
    columns
        Input of the graph → the columns that fill it, of model.yaml.
    """
    usual = replace(task_signature(task), optional=())
    if not takes_table(task):
        return usual
    inputs = (
        TensorSpec(name, spec.datatype, (-1,), may_miss=True)
        for spec in graph.inputs
        for name in column_names(spec, columns.get(spec.name))
    )
    return replace(usual, inputs=tuple(inputs))


def column_names(spec: TensorSpec, given: Sequence[str] | None) -> tuple[str, ...]:
    """Return the columns that fill an input, in the order of its elements."""
    if given is not None:
        return tuple(given)
    width = math.prod(spec.shape[1:])
    return (spec.name,) if width == 1 else tuple(f"{spec.name}_{n}" for n in range(width))
