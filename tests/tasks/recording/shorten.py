"""Small files for graphs of many nodes: what the exporter calls them is most of their bytes."""

from pathlib import Path
from typing import Any

import onnx


def shorten(path: Path) -> None:
    """Number the values of a graph, and leave its nodes without names."""
    model = onnx.load(str(path))
    kept = {value.name for value in [*model.graph.input, *model.graph.output]}
    numbers = {name: name for name in kept | {""}}
    rename(model.graph, numbers)
    onnx.save(model, str(path))


def rename(graph: Any, numbers: dict[str, str]) -> None:
    """Rename the values of a graph and of those inside it."""
    graph.ClearField("value_info")
    for value in [*graph.initializer, *graph.output]:
        value.name = number(value.name, numbers)
    for node in graph.node:
        node.ClearField("name")
        node.ClearField("metadata_props")
        node.input[:] = [number(name, numbers) for name in node.input]
        node.output[:] = [number(name, numbers) for name in node.output]
        for attribute in node.attribute:
            if attribute.HasField("g"):
                rename(attribute.g, numbers)


def number(name: str, numbers: dict[str, str]) -> str:
    """Return the short name of a value."""
    return numbers.setdefault(name, f"{len(numbers):x}")
