"""Operators by which a model answers differently when it is asked the same."""

from collections.abc import Iterator
from typing import Any

from onnx import ModelProto, NodeProto, numpy_helper

from serval.bundles.verification.external_data import outside
from serval.bundles.verification.subgraphs import graphs_of, nodes_of

RANDOM = frozenset(
    {
        "Bernoulli",
        "Multinomial",
        "RandomNormal",
        "RandomNormalLike",
        "RandomUniform",
        "RandomUniformLike",
    }
)
TRAINING_MODE_INPUT = 2
"""Of Dropout: data, ratio, training_mode."""
EVALUATE = "export the model in evaluation mode (PyTorch: model.eval() before torch.onnx.export)"
DROPS = f"is in training mode, so that answers may be random: {EVALUATE}"
NORMALISES = f"is in training mode, so that an answer hangs on the rows beside it: {EVALUATE}"


def random_operators(model: ModelProto) -> list[str]:
    """Name what makes the answers of a graph random, and what to do where that is a mistake."""
    true = {name for name, value in constants(model) if value.size == 1 and bool(value.item())}
    found = []
    for node in nodes_of(model):
        if node.op_type == "Dropout" and true.intersection(node.input[TRAINING_MODE_INPUT:]):
            found.append(f"operator Dropout{called(node)} {DROPS}")
        elif node.op_type == "BatchNormalization" and trains(node):
            found.append(f"operator BatchNormalization{called(node)} {NORMALISES}")
        elif node.op_type in RANDOM and node.domain in ("", "ai.onnx"):
            found.append(f"operator {node.op_type}{called(node)} makes random numbers")
    return found


def constants(model: ModelProto) -> Iterator[tuple[str, Any]]:
    """Give small constants of all graphs, by name."""
    for graph in graphs_of(model):
        for tensor in graph.initializer:
            if not any(outside([tensor])) and tensor.ByteSize() < 100 + len(tensor.name):
                yield tensor.name, numpy_helper.to_array(tensor)
    for node in nodes_of(model):
        if node.op_type == "Constant":
            for attribute in node.attribute:
                if attribute.name == "value" and not any(outside([attribute.t])):
                    yield node.output[0], numpy_helper.to_array(attribute.t)


def trains(node: NodeProto) -> bool:
    """Tell whether a node's attribute puts it in training mode."""
    return any(attribute.name == "training_mode" and attribute.i for attribute in node.attribute)


def called(node: NodeProto) -> str:
    """Give a node's name for a message."""
    return f" (node {node.name!r})" if node.name else ""
