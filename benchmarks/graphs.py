"""Graphs of well-known shapes with seeded random weights: for timing, they predict nothing."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17


class Graph:
    """A graph under construction; each method adds a node and gives its output's name."""

    def __init__(self, seed: int) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.random = np.random.default_rng(seed)

    def weight(self, *shape: int) -> str:
        """Add a random weight, scaled so that activations keep their size."""
        fan_in = int(np.prod(shape[1:])) if len(shape) > 1 else 1
        scale = np.float32(1 / np.sqrt(fan_in)) if len(shape) > 1 else np.float32(0.02)
        return self.constant(self.random.standard_normal(shape, np.float32) * scale)

    def constant(self, array: npt.NDArray[Any]) -> str:
        """Add an initializer."""
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node."""
        name = f"{operator.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def model(
        self,
        name: str,
        inputs: Sequence[tuple[str, int, Sequence[Any]]],
        outputs: Sequence[tuple[str, str, int, Sequence[Any]]],
    ) -> onnx.ModelProto:
        """Finish; each output is (its node's name, its name, type, shape)."""
        for inner, outer, _, _ in outputs:
            self.nodes.append(helper.make_node("Identity", [inner], [outer]))
        graph = helper.make_graph(
            self.nodes,
            name,
            [helper.make_tensor_value_info(*spec) for spec in inputs],
            [helper.make_tensor_value_info(*spec[1:]) for spec in outputs],
            self.weights,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
        model.ir_version = 10
        return model


def resnet50(seed: int = 0) -> onnx.ModelProto:
    """Give a ResNet-50 (He et al., 2016) as exporters write it, batch norms unfolded: 102 MB."""
    graph = Graph(seed)

    def convolution(x: str, channels: int, into: int, kernel: int, stride: int = 1) -> str:
        pad = kernel // 2
        weights = graph.weight(into, channels, kernel, kernel)
        y = graph.node(
            "Conv", x, weights, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4
        )
        ones, zeros = np.ones(into, np.float32), np.zeros(into, np.float32)
        norm = [graph.constant(array) for array in (ones, zeros, zeros, ones)]
        return graph.node("BatchNormalization", y, *norm)

    x = graph.node("Relu", convolution("image", 3, 64, 7, 2))
    x = graph.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    channels = 64
    for stage, blocks in enumerate((3, 4, 6, 3)):
        width = 64 * 2**stage
        for block in range(blocks):
            stride = 2 if block == 0 and stage > 0 else 1
            y = graph.node("Relu", convolution(x, channels, width, 1))
            y = graph.node("Relu", convolution(y, width, width, 3, stride))
            y = convolution(y, width, width * 4, 1)
            if block == 0:
                x = convolution(x, channels, width * 4, 1, stride)
            channels = width * 4
            x = graph.node("Relu", graph.node("Add", x, y))
    x = graph.node("Flatten", graph.node("GlobalAveragePool", x))
    x = graph.node("Gemm", x, graph.weight(1000, 2048), graph.weight(1000), transB=1)
    return graph.model(
        "resnet50",
        [("image", TensorProto.FLOAT, ["batch", 3, 224, 224])],
        [(x, "logits", TensorProto.FLOAT, ["batch", 1000])],
    )


def encoder(
    layers: int = 6, width: int = 384, heads: int = 12, vocabulary: int = 30522, seed: int = 0
) -> onnx.ModelProto:
    """Give a BERT-like encoder (Devlin et al., 2019); the defaults are MiniLM's shape, 90 MB."""
    graph = Graph(seed)
    split = graph.constant(np.array([0, 0, heads, width // heads]))
    joined = graph.constant(np.array([0, 0, width]))
    scale = graph.constant(np.array(1 / np.sqrt(width // heads), np.float32))

    def linear(x: str, into: int, out: int) -> str:
        product = graph.node("MatMul", x, graph.weight(into, out))
        return graph.node("Add", product, graph.weight(out))

    def norm(x: str) -> str:
        ones, zeros = np.ones(width, np.float32), np.zeros(width, np.float32)
        return graph.node(
            "LayerNormalization", x, graph.constant(ones), graph.constant(zeros), axis=-1
        )

    def attention(x: str) -> str:
        q, k, v = (graph.node("Reshape", linear(x, width, width), split) for _ in range(3))
        q, v = (graph.node("Transpose", part, perm=[0, 2, 1, 3]) for part in (q, v))
        k = graph.node("Transpose", k, perm=[0, 2, 3, 1])
        scores = graph.node("Mul", graph.node("MatMul", q, k), scale)
        mixed = graph.node("MatMul", graph.node("Softmax", scores, axis=-1), v)
        mixed = graph.node("Transpose", mixed, perm=[0, 2, 1, 3])
        return linear(graph.node("Reshape", mixed, joined), width, width)

    def gelu(x: str) -> str:
        half, one = (graph.constant(np.array(value, np.float32)) for value in (0.5, 1.0))
        root = graph.constant(np.array(np.sqrt(2), np.float32))
        error = graph.node("Erf", graph.node("Div", x, root))
        return graph.node("Mul", graph.node("Mul", x, half), graph.node("Add", error, one))

    table = graph.constant(graph.random.standard_normal((vocabulary, width), np.float32))
    x = norm(graph.node("Gather", table, "ids"))
    for _ in range(layers):
        x = norm(graph.node("Add", x, attention(x)))
        x = norm(graph.node("Add", x, linear(gelu(linear(x, width, 4 * width)), 4 * width, width)))
    return graph.model(
        "encoder",
        [("ids", TensorProto.INT64, ["batch", "tokens"])],
        [(x, "hidden", TensorProto.FLOAT, ["batch", "tokens", width])],
    )
