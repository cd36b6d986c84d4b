"""The signatures of tasks in tensors (``serval.tasks``), for those who do not import the tasks."""

from collections.abc import Mapping

from serval.models.signature import Signature, TensorSpec

PARAMETERS, ANSWERS = "parameters", "answers"
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


def is_batched(task: str) -> bool:
    """Return whether batch jobs bring a task its inputs.

    Rows of a table are records as they are: jobs of a tabular task bring its graph's tensors.
    """
    return TAKES.get(task, "text") in ("text", "image", "audio")
