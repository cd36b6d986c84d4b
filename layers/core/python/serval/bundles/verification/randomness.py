"""Find operators that make a model give different answers to the same request."""

from collections.abc import Iterator
from typing import Any

from onnx import ModelProto, NodeProto, numpy_helper

from serval.bundles.verification.external_data import with_external_data
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
"""Of Dropout, whose inputs are data, ratio and training_mode."""
EVALUATE = "export the model in evaluation mode (PyTorch: model.eval() before torch.onnx.export)"
DROPS = f"is in training mode, so that answers may be random: {EVALUATE}"
NORMALISES = f"is in training mode, so that an answer depends on the rows beside it: {EVALUATE}"


def random_operators(model: ModelProto) -> list[str]:
    """Describe the operators that make a graph's answers random, with advice."""
    true = {name for name, value in constants(model) if value.size == 1 and bool(value.item())}
    found = []
    for node in nodes_of(model):
        if node.op_type == "Dropout" and true.intersection(node.input[TRAINING_MODE_INPUT:]):
            found.append(f"operator Dropout{name_in_message(node)} {DROPS}")
        elif node.op_type == "BatchNormalization" and is_training(node):
            found.append(f"operator BatchNormalization{name_in_message(node)} {NORMALISES}")
        elif node.op_type in RANDOM and node.domain in ("", "ai.onnx"):
            found.append(f"operator {node.op_type}{name_in_message(node)} makes random numbers")
    return found


def constants(model: ModelProto) -> Iterator[tuple[str, Any]]:
    """Yield the name and value of each small constant, in subgraphs too."""
    for graph in graphs_of(model):
        for tensor in graph.initializer:
            if not any(with_external_data([tensor])) and tensor.ByteSize() < 100 + len(tensor.name):
                yield tensor.name, numpy_helper.to_array(tensor)
    for node in nodes_of(model):
        if node.op_type == "Constant":
            for attribute in node.attribute:
                if attribute.name == "value" and not any(with_external_data([attribute.t])):
                    yield node.output[0], numpy_helper.to_array(attribute.t)


def is_training(node: NodeProto) -> bool:
    """Whether a node's attribute puts it in training mode."""
    return any(attribute.name == "training_mode" and attribute.i for attribute in node.attribute)


def name_in_message(node: NodeProto) -> str:
    """Write a node's name for a message, if it has one."""
    return f" (node {node.name!r})" if node.name else ""
