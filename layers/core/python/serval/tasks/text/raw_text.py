"""Graphs that read text themselves, as scikit-learn's vectorizers do."""

from collections.abc import Sequence

import numpy as np

from serval.errors import InvalidInputs
from serval.models.signature import TensorSpec
from serval.models.task_signature import NAMES
from serval.models.tensor import DATATYPES, Array
from serval.tasks.files import TaskUnreadable
from serval.tasks.graph import TaskGraph
from serval.tasks.text.tokenizer import Text


def find_text_input(graph: TaskGraph) -> TensorSpec | None:
    """Return the input of a graph that has no other, if it is BYTES [batch] or [batch, 1].

    Raises
    ------
    TaskUnreadable
        If nobody could tell a request in tensors from one of the task.
    """
    spec, *others = graph.inputs.values()
    if others or spec.datatype != "BYTES" or spec.shape not in ((-1,), (-1, 1)):
        return None
    if spec.name == NAMES["text"] and len(spec.shape) == 1:
        raise TaskUnreadable(
            f"the graph's input {spec.name!r} is BYTES [batch] like the task's own: give it "
            "another name, or the shape [batch, 1]"
        )
    return spec


def fill_text_input(spec: TensorSpec, texts: Sequence[Text]) -> dict[str, Array]:
    """Return the graph's only input.

    Raises
    ------
    InvalidInputs
        If a text is a pair, or has halves of characters, which UTF-8 does not.
    """
    array = np.empty((len(texts), *spec.shape[1:]), DATATYPES["BYTES"])
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            raise InvalidInputs(f"input {index}: a pair of texts given, one text expected")
        try:
            array[index] = text.encode()
        except UnicodeEncodeError as error:
            raise InvalidInputs(f"input {index}: a text cannot be read: {error}") from None
    return {spec.name: array}
