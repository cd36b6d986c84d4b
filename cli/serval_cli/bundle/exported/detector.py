"""Recognise a YOLO detector by the metadata that its exporter writes into the graph."""

import ast
from collections.abc import Mapping
from typing import Any

from onnx import ModelProto

from serval.foreign import refusing

DETECT = "detect"


class NamesUnreadable(Exception):
    """The names in the metadata are no dictionary of numbers and texts."""


def detector_task(model: ModelProto) -> dict[str, Any] | None:
    """Return ``task:`` with the labels of a detector; None for any other graph.

    The metadata have ``task: detect`` and ``names``, a Python dictionary from number to name.
    """
    metadata = {each.key: each.value for each in model.metadata_props}
    if metadata.get("task") != DETECT or "names" not in metadata:
        return None
    try:
        labels = read_names(metadata["names"])
    except NamesUnreadable:
        return None
    return {"name": "object-detection", "labels": labels}


def read_names(text: str) -> list[str]:
    """Read names in the order of their numbers.

    Raises
    ------
    NamesUnreadable
        If a number is missing, or the text is something else.
    """
    with refusing(NamesUnreadable):
        names = ast.literal_eval(text)
    if not isinstance(names, Mapping) or sorted(names) != list(range(len(names))):
        raise NamesUnreadable(text)
    return [str(names[number]) for number in range(len(names))]
