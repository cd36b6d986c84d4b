"""Export the decoder as one ONNX graph, with the generation loop inside.

::

    prompt → the last bytes that fit → prefill → first new byte ┐
                                          └ keys, values        ├→ Loop: the others → completion
                                                                ┘

Prefill decodes the whole prompt at once. Each turn of the Loop decodes one byte: it computes the
keys and values of that byte alone, and finds those of all bytes before it in its state.
"""

from dataclasses import dataclass

import numpy as np
from onnx import ModelProto, TensorProto

from models.layers import EPSILON, Parameters
from models.onnx_graph import Graph, Value
from models.textgen.model import START, Decoder
from models.transformer import BOOL, FLOAT, INT, Transformer

BYTE = TensorProto.UINT8


def export(decoder: Decoder, parameters: Parameters, new_tokens: int) -> ModelProto:
    """Give the graph: UINT8 ``prompt`` [batch, length] → ``completion`` [batch, new_tokens]."""
    graph = Graph()
    for name, array in parameters.items():
        graph.constant(array, name)
    tokens = fitting(graph, decoder.context - new_tokens)
    first, cache = Pass(graph, decoder).next_token(tokens)
    completion = rest(graph, decoder, new_tokens - 1, [first, *cache])
    return graph.model(
        "textgen",
        [("prompt", BYTE, ["batch", "length"])],
        [(graph.node("Cast", completion, to=BYTE), ("completion", BYTE, ["batch", new_tokens]))],
    )


def fitting(graph: Graph, most: int) -> str:
    """Put the start before each prompt, and keep the last ``most`` tokens: [batch, tokens]."""
    prompt = graph.node("Cast", "prompt", to=INT)
    batch = graph.node("Shape", prompt, end=1)
    column = graph.node("Concat", batch, integers(graph, 1), axis=0)
    start = graph.node("Expand", integers(graph, START), column)
    tokens = graph.node("Concat", start, prompt, axis=1)
    end = integers(graph, np.iinfo(np.int64).max)
    return graph.node("Slice", tokens, integers(graph, -most), end, integers(graph, 1))


def rest(graph: Graph, decoder: Decoder, times: int, state: list[str]) -> str:
    """Add the Loop; its state is what was generated so far, then keys and values of each block."""
    body = graph.body()
    newest = body.node("Slice", "so_far", *(integers(graph, n) for n in (-1, 2**31, 1)))
    past = [name for name, *_ in cached(decoder, "past")]
    token, cache = Pass(body, decoder, past).next_token(newest)
    so_far = body.node("Concat", "so_far", token, axis=1)
    again: Value = ("again", BOOL, [])
    inside = body.proto(
        "one_more",
        [("turn", INT, []), again, ("so_far", INT, ["batch", "n"]), *cached(decoder, "past")],
        [
            ("again", ("still", BOOL, [])),
            (so_far, ("so_far_now", INT, ["batch", "n_now"])),
            *zip(cache, cached(decoder, "now"), strict=True),
        ],
    )
    turns = graph.constant(np.array(times), "turns")
    yes = graph.constant(np.array(True), "always")
    completion, *_ = graph.several("Loop", [turns, yes, *state], len(state), body=inside)
    return completion


def cached(decoder: Decoder, when: str) -> list[Value]:
    """Describe the keys and values of each block, [batch, heads, bytes, columns of a head]."""
    shape = ["batch", decoder.heads, when, decoder.head_width]
    return [
        (f"{block}.{part}.{when}", FLOAT, shape)
        for block in decoder.blocks
        for part in ("keys", "values")
    ]


def integers(graph: Graph, *numbers: int) -> str:
    """Add a vector of integers."""
    return graph.constant(np.array(numbers, np.int64))


@dataclass(frozen=True, slots=True)
class Pass:
    """Tokens on their way through the decoder, in the outer graph or in the Loop's."""

    graph: Graph
    decoder: Decoder
    past: list[str] | None = None
    """Keys and values of the bytes before, of each block in turn; None: these are the first."""

    def next_token(self, tokens: str) -> tuple[str, list[str]]:
        """Give the likeliest next token, [batch, 1], and all keys and values up to here."""
        graph, cache = self.graph, []
        rows = self.embedding(tokens)
        mask = None if self.past else self.mask(tokens)
        for index, block in enumerate(self.decoder.blocks):
            before = self.past[2 * index : 2 * index + 2] if self.past else None
            found, seen = self.attention(f"{block}.attention", rows, before, mask)
            cache += seen
            rows = graph.node("Add", rows, found)
            normed = self.network.norm(f"{block}.mlp.norm", rows)
            rows = graph.node("Add", rows, self.network.mlp(f"{block}.mlp", normed))
        last = graph.node("Slice", rows, *(integers(graph, n) for n in (-1, 2**31, 1)))
        table = graph.node("Transpose", "tokens", perm=[1, 0])
        logits = graph.node("MatMul", self.network.norm("norm", last), table)
        return graph.node("ArgMax", logits, axis=-1, keepdims=0), cache

    def embedding(self, tokens: str) -> str:
        """Add what a byte means to where it stands: [batch, length, width]."""
        graph, zero = self.graph, integers(self.graph, 0)
        start = graph.node("Shape", self.past[0], start=2, end=3) if self.past else zero
        end = graph.node("Add", start, graph.node("Shape", tokens, start=1))
        positions = graph.node("Slice", "positions", start, end, zero)
        return graph.node("Add", graph.node("Gather", "tokens", tokens), positions)

    def mask(self, tokens: str) -> str:
        """Hide from every byte those after it: minus infinity above the diagonal, else 0."""
        graph = self.graph
        length = graph.node("Shape", tokens, start=1)
        hidden = TensorProto(data_type=FLOAT, dims=[1], float_data=[-np.inf])
        square = graph.node("Concat", length, length, axis=0)
        square = graph.node("ConstantOfShape", square, value=hidden)
        diagonal = graph.constant(np.array(1, np.int64))
        return graph.node("Trilu", square, diagonal, upper=1)

    def attention(
        self, name: str, rows: str, before: list[str] | None, mask: str | None
    ) -> tuple[str, list[str]]:
        """Let every byte look at those before it; gives what it finds, and all keys and values."""
        normed = self.network.norm(f"{name}.norm", rows)
        queries, *seen = self.network.projections(f"{name}.qkv", normed, 3)
        if before:
            pairs = zip(before, seen, strict=True)
            seen = [self.graph.node("Concat", *both, axis=2) for both in pairs]
        return self.network.attend(name, queries, *seen, mask), seen

    @property
    def network(self) -> Transformer:
        """Give the parts of the decoder."""
        return Transformer(self.graph, self.decoder.heads, self.decoder.width, EPSILON)
