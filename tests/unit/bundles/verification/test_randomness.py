"""Operators that make answers random are named, and those that are a mistake with what to do."""

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from serval.bundles.verification.randomness import random_operators

value = helper.make_tensor_value_info


def model(nodes: list[onnx.NodeProto], **constants: Any) -> ModelProto:
    graph = helper.make_graph(
        nodes,
        "g",
        [value("x", TensorProto.FLOAT, [None, 3])],
        [value("y", TensorProto.FLOAT, [None, 3])],
        [numpy_helper.from_array(np.array(array), name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def dropout(training: str) -> onnx.NodeProto:
    return helper.make_node("Dropout", ["x", "ratio", training], ["y"], name="/drop")


def test_dropout_in_training_mode_is_named_with_what_to_do() -> None:
    [found] = random_operators(model([dropout("yes")], ratio=np.float32(0.5), yes=True))
    assert found.startswith("operator Dropout (node '/drop') is in training mode")
    assert "model.eval() before torch.onnx.export" in found


def test_a_normalisation_in_training_mode_is_named() -> None:
    kept = {name: np.ones(3, np.float32) for name in ("scale", "bias", "mean", "variance")}
    normal = {
        mode: helper.make_node("BatchNormalization", ["x", *kept], ["y"], training_mode=mode)
        for mode in (0, 1)
    }
    [found] = random_operators(model([normal[1]], **kept))
    assert "in training mode, so that an answer depends on the rows beside it" in found
    assert random_operators(model([normal[0]], **kept)) == []


def test_the_mode_may_be_a_constant_among_the_nodes() -> None:
    yes = helper.make_node("Constant", [], ["yes"], value=numpy_helper.from_array(np.array(True)))
    assert len(random_operators(model([yes, dropout("yes")], ratio=np.float32(0.5)))) == 1


@pytest.mark.parametrize(
    "nodes", [[dropout("no")], [helper.make_node("Dropout", ["x"], ["y"])], []], ids=len
)
def test_dropout_that_does_nothing_is_not_named(nodes: list[onnx.NodeProto]) -> None:
    assert random_operators(model(nodes, ratio=np.float32(0.5), no=False)) == []


@pytest.mark.parametrize("operator", ["RandomNormalLike", "RandomUniformLike", "Bernoulli"])
def test_operators_that_make_random_numbers_are_named(operator: str) -> None:
    found = random_operators(model([helper.make_node(operator, ["x"], ["y"])]))
    assert found == [f"operator {operator} makes random numbers"]
