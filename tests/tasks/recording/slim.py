"""Graphs without the long names that the exporter gives to what is inside them."""

from pathlib import Path

import onnx


def slim(folder: Path) -> None:
    """Shorten the inner names of every graph of a folder."""
    for path in folder.glob("*.onnx"):
        model = onnx.load(path)
        keep = {value.name for value in (*model.graph.input, *model.graph.output)}
        shorten(model.graph, {name: name for name in keep})
        onnx.save(model, path)


def shorten(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    """Rename a graph's values and those of the graphs inside it."""

    def short(name: str) -> str:
        return names.setdefault(name, f"v{len(names)}") if name else ""

    for tensor in graph.initializer:
        tensor.name = short(tensor.name)
    for value in graph.output:
        value.name = short(value.name)
    for node in graph.node:
        node.ClearField("name")
        node.ClearField("doc_string")
        node.input[:] = [short(name) for name in node.input]
        node.output[:] = [short(name) for name in node.output]
        for attribute in node.attribute:
            if attribute.HasField("g"):
                shorten(attribute.g, names)
    del graph.value_info[:]
