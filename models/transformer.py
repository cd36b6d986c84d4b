"""The parts of a transformer, as nodes of a graph.

Weights are initializers, found by the names that ``models/layers.py`` gives them: a linear
layer has ``NAME.weight`` and ``NAME.bias``, a norm ``NAME.gain`` and ``NAME.bias``, self-attention
``NAME.qkv`` and ``NAME.out``, attention to an encoder ``NAME.query``, ``NAME.keys_values`` and
``NAME.out``, and an MLP ``NAME.up`` and ``NAME.down``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

from models.onnx_graph import Graph

BOOL, INT, FLOAT = TensorProto.BOOL, TensorProto.INT64, TensorProto.FLOAT
HIDDEN = -1e9
"""Added to a score that must not count."""


@dataclass(frozen=True, slots=True)
class Transformer:
    """A graph with the weights of a transformer; each method adds nodes to it."""

    graph: Graph
    heads: int
    width: int
    epsilon: float = 1e-5
    gelu: str = "tanh"
    """``tanh``: GPT-2's formula; ``none``: the exact one, as BERT has."""

    def add(self, parameters: Mapping[str, npt.NDArray[Any]]) -> None:
        """Add weights."""
        for name, array in parameters.items():
            self.graph.constant(array, name)

    def integers(self, *numbers: int) -> str:
        """Add a vector of integers."""
        return self.graph.constant(np.array(numbers, np.int64))

    def linear(self, name: str, rows: str) -> str:
        """Multiply by a matrix, and add a bias."""
        product = self.graph.node("MatMul", rows, f"{name}.weight")
        return self.graph.node("Add", product, f"{name}.bias")

    def norm(self, name: str, rows: str) -> str:
        """Centre and scale every row."""
        inputs = (rows, f"{name}.gain", f"{name}.bias")
        return self.graph.node("LayerNormalization", *inputs, axis=-1, epsilon=self.epsilon)

    def mlp(self, name: str, rows: str) -> str:
        """Think about every token by itself."""
        wide = self.linear(f"{name}.up", rows)
        return self.linear(f"{name}.down", self.graph.node("Gelu", wide, approximate=self.gelu))

    def projections(self, name: str, rows: str, count: int) -> list[str]:
        """Give as many projections of the rows, each [batch, heads, length, width of a head]."""
        graph = self.graph
        split = self.integers(0, 0, self.heads, self.width // self.heads)
        fused = self.linear(name, rows)
        parts = [fused]
        if count > 1:
            parts = graph.several("Split", [fused], count, axis=-1, num_outputs=count)
        return [
            graph.node("Transpose", graph.node("Reshape", part, split), perm=[0, 2, 1, 3])
            for part in parts
        ]

    def attend(
        self, name: str, queries: str, keys: str, values: str, mask: str | None = None
    ) -> str:
        """Let every query look at the keys; gives what it finds, [batch, length, width]."""
        graph = self.graph
        scores = graph.node("MatMul", queries, graph.node("Transpose", keys, perm=[0, 1, 3, 2]))
        scale = graph.constant(np.array((self.width // self.heads) ** -0.5, np.float32))
        scores = graph.node("Mul", scores, scale)
        scores = graph.node("Add", scores, mask) if mask else scores
        mixed = graph.node("MatMul", graph.node("Softmax", scores, axis=-1), values)
        mixed = graph.node("Transpose", mixed, perm=[0, 2, 1, 3])
        joined = graph.node("Reshape", mixed, self.integers(0, 0, self.width))
        return self.linear(f"{name}.out", joined)

    def hide_padding(self, mask: str) -> str:
        """Turn INT64 [batch, length], 0 where a text is padded, into what is added to scores."""
        graph = self.graph
        mask = graph.node("Unsqueeze", graph.node("Cast", mask, to=BOOL), self.integers(1, 2))
        return self._hide_others(mask)

    def hide_future(self, new: str, total: str) -> str:
        """Hide from each of the last ``new`` tokens those after it; both are vectors of one."""
        graph = self.graph
        zero, one = (graph.constant(np.array(number, np.int64)) for number in (0, 1))
        end = graph.node("Squeeze", total)
        begin = graph.node("Sub", end, graph.node("Squeeze", new))
        queries = graph.node("Unsqueeze", graph.node("Range", begin, end, one), self.integers(1))
        return self._hide_others(
            graph.node("LessOrEqual", graph.node("Range", zero, end, one), queries)
        )

    def _hide_others(self, seen: str) -> str:
        zero, hidden = (self.graph.constant(np.array(n, np.float32)) for n in (0, HIDDEN))
        return self.graph.node("Where", seen, zero, hidden)
