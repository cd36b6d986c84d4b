"""Iterate over every graph and node of a model, in branches, loops and functions too."""

from collections.abc import Iterator
from typing import Any

import onnx
from onnx import ModelProto


def graphs_of(model: ModelProto) -> Iterator[Any]:
    """Yield the graph and every graph inside its nodes and functions, without recursion."""
    waiting = [model.graph, *model.functions]
    for training in model.training_info:
        waiting += [training.initialization, training.algorithm]
    while waiting:
        graph = waiting.pop()
        if not isinstance(graph, onnx.FunctionProto):
            yield graph
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    waiting.append(attribute.g)
                waiting.extend(attribute.graphs)


def nodes_of(model: ModelProto) -> Iterator[Any]:
    """Yield every node of every graph and function."""
    for function in model.functions:
        yield from function.node
    for graph in graphs_of(model):
        yield from graph.node
