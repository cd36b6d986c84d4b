"""Graphs of scikit-learn that compute with 64 bits, as ONNX Runtime runs them.

It has no Imputer of doubles; and trees compare float32, as XGBoost's and scikit-learn's own do.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

REGRESSOR = "TreeEnsembleRegressor"
TREES = ("TreeEnsembleClassifier", REGRESSOR)


def run_in_doubles(model: ModelProto, estimators: Iterable[Any]) -> None:
    """Replace what ONNX Runtime does not have for doubles.

    Parameters
    ----------
    estimators
        Those of the original, whose imputers know in full what they fill in.
    """
    known = [np.asarray(one.statistics_) for one in estimators if hasattr(one, "statistics_")]
    nodes = [new for node in model.graph.node for new in _replace(model, node, known)]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _replace(model: ModelProto, node: NodeProto, known: list[Any]) -> Iterator[NodeProto]:
    given = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    name = node.output[0]
    if node.op_type == "Imputer" and np.isnan(given.get("replaced_value_float", 0.0)):
        filled = np.array(given["imputed_value_floats"], np.float64)
        for one in known:
            if one.dtype.kind == "f" and np.array_equal(one.astype(np.float32), filled):
                filled = one.astype(np.float64)
        model.graph.initializer.append(numpy_helper.from_array(filled[None], f"{name}_filled"))
        yield helper.make_node("IsNaN", [node.input[0]], [f"{name}_missing"])
        yield helper.make_node(
            "Where", [f"{name}_missing", f"{name}_filled", node.input[0]], [name]
        )
        return
    if node.op_type in TREES and "nodes_values" in given:
        cast = f"{name}_as_float"
        yield helper.make_node("Cast", [node.input[0]], [cast], to=TensorProto.FLOAT)
        node.input[0] = cast
        if node.op_type == REGRESSOR:
            yield from _widen(node, name)
            return
    yield node


def _widen(node: NodeProto, name: str) -> Iterator[NodeProto]:
    node.output[0] = f"{name}_in_floats"
    yield node
    yield helper.make_node("Cast", [node.output[0]], [name], to=TensorProto.DOUBLE)
