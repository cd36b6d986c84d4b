"""Graphs of well-known shapes with seeded random weights, for timing only."""

import numpy as np
from onnx import ModelProto, TensorProto

from models.onnx_graph import Graph
from models.resnet.network import resnet50

__all__ = ["encoder", "resnet50"]

OPSET = 17


def encoder(
    layers: int = 6, width: int = 384, heads: int = 12, vocabulary: int = 30522, seed: int = 0
) -> ModelProto:
    """Build a BERT-like encoder (Devlin et al., 2019); the defaults are MiniLM's shape, 90 MB."""
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
        [(x, ("hidden", TensorProto.FLOAT, ["batch", "tokens", width]))],
        OPSET,
    )
