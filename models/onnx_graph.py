"""Write an ONNX graph node by node: for models that no exporter writes as we want them."""

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

OPSET = 21
IR_VERSION = 10

Value = tuple[str, int, Sequence[Any]]
"""A tensor's name, element type and shape."""


class Graph:
    """A graph under construction; each method adds to it and gives the name of what it added."""

    def __init__(self, seed: int = 0) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.numbers: Iterator[int] = count()
        self.random = np.random.default_rng(seed)

    def body(self) -> "Graph":
        """Begin a graph inside this one, as a Loop has; its weights are those of this graph."""
        inside = Graph()
        inside.weights, inside.numbers, inside.random = self.weights, self.numbers, self.random
        return inside

    def weight(self, *shape: int) -> str:
        """Add a random weight, scaled so that activations keep their size."""
        fan_in = int(np.prod(shape[1:])) if len(shape) > 1 else 1
        scale = np.float32(1 / np.sqrt(fan_in)) if len(shape) > 1 else np.float32(0.02)
        return self.constant(self.random.standard_normal(shape, np.float32) * scale)

    def constant(self, array: npt.NDArray[Any], name: str | None = None) -> str:
        """Add an initializer."""
        name = name or f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node of one output."""
        (name,) = self.several(operator, inputs, 1, **attributes)
        return name

    def several(
        self, operator: str, inputs: Sequence[str], outputs: int, **attributes: Any
    ) -> list[str]:
        """Add a node with that many outputs."""
        number = next(self.numbers)
        names = [f"{operator.lower()}{number}" + f"_{n}" * (outputs > 1) for n in range(outputs)]
        self.nodes.append(helper.make_node(operator, list(inputs), names, **attributes))
        return names

    def proto(
        self, name: str, inputs: Sequence[Value], outputs: Sequence[tuple[str, Value]]
    ) -> onnx.GraphProto:
        """Finish a body; each output is (the name of what gives it, what it is called)."""
        for inner, (outer, *_) in outputs:
            self.nodes.append(helper.make_node("Identity", [inner], [outer]))
        return helper.make_graph(
            self.nodes,
            name,
            [helper.make_tensor_value_info(*value) for value in inputs],
            [helper.make_tensor_value_info(*value) for _, value in outputs],
        )

    def model(
        self,
        name: str,
        inputs: Sequence[Value],
        outputs: Sequence[tuple[str, Value]],
        opset: int = OPSET,
    ) -> onnx.ModelProto:
        """Finish the outermost graph."""
        graph = self.proto(name, inputs, outputs)
        graph.initializer.extend(self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
        model.ir_version = IR_VERSION
        return model
