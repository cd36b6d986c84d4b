"""An encoder with a decoder (Vaswani et al., 2017; norms first, as in mBART), in numpy.

Both have one layer. The decoder reads what it wrote, and looks at what the encoder read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.layers import (
    Back,
    Floats,
    Parameters,
    Seen,
    Tokens,
    attention,
    cross_entropy,
    embedding,
    join_heads,
    layer_norm,
    linear,
    mix,
    mlp,
    part_heads,
    start_linear,
    start_norm,
    waves,
)

MEMORY = "memory"
"""Stands among gradients for that of what the encoder read."""


@dataclass(frozen=True, slots=True)
class Translator:
    """How large an encoder and its decoder are."""

    heads: int
    width: int
    context: int
    """Most tokens that either text may have."""
    vocabulary: int
    padding: int
    """The token that fills up short texts."""

    def start(self, random: np.random.Generator) -> Parameters:
        """Give random parameters."""
        width = self.width
        parameters = {"tokens": random.normal(0, 0.1, (self.vocabulary, width))}
        for side in ("encoder", "decoder"):
            parameters |= {
                f"{side}.positions": 0.14 * waves(self.context, width),
                **start_norm(f"{side}.attention.norm", width),
                **start_linear(random, f"{side}.attention.qkv", width, 3 * width),
                **start_linear(random, f"{side}.attention.out", width, width, 0.5),
                **start_norm(f"{side}.mlp.norm", width),
                **start_linear(random, f"{side}.mlp.up", width, 4 * width),
                **start_linear(random, f"{side}.mlp.down", 4 * width, width, 0.5),
                **start_norm(f"{side}.norm", width),
            }
        parameters |= {
            **start_norm("decoder.cross.norm", width),
            **start_linear(random, "decoder.cross.query", width, width),
            **start_linear(random, "decoder.cross.keys_values", width, 2 * width),
            **start_linear(random, "decoder.cross.out", width, width, 0.5),
        }
        return {name: array.astype(np.float32) for name, array in parameters.items()}

    def forward(
        self, parameters: Parameters, read: Tokens, written: Tokens
    ) -> tuple[Floats, Callable[[Floats, Parameters], None]]:
        """Give logits [batch, length, vocabulary] of what follows each token that was written."""
        backs: list[Back] = []

        def run(layer: Callable[..., tuple[Floats, Back]], *arguments: Any) -> Floats:
            output, back = layer(parameters, *arguments)
            backs.append(back)
            return output

        batch, seen = len(read), (read != self.padding)[:, None, None, :]
        rows = run(embedding, "encoder.positions", read)
        rows = run(attention, "encoder.attention", rows, batch, self.heads, seen)
        rows = run(mlp, "encoder.mlp", rows)
        memory = run(layer_norm, "encoder.norm", rows)
        encoded = len(backs)
        before = np.tri(written.shape[1], dtype=bool)
        rows = run(embedding, "decoder.positions", written)
        rows = run(attention, "decoder.attention", rows, batch, self.heads, before)
        rows = run(look, "decoder.cross", rows, memory, batch, self.heads, seen)
        rows = run(mlp, "decoder.mlp", rows)
        rows = run(layer_norm, "decoder.norm", rows)

        def back(slope: Floats, gradients: Parameters) -> None:
            slope = slope.reshape(len(rows), -1)
            gradients["tokens"] = slope.T @ rows
            slope = slope @ parameters["tokens"]
            for step in reversed(backs[encoded:]):
                slope = step(slope, gradients)
            slope = gradients.pop(MEMORY)
            for step in reversed(backs[:encoded]):
                slope = step(slope, gradients)

        logits = rows @ parameters["tokens"].T
        return logits.reshape(*written.shape, -1), back

    def gradients(
        self, parameters: Parameters, read: Tokens, written: Tokens
    ) -> tuple[float, Parameters]:
        """Give the mean loss, in nats a token, and its gradients."""
        logits, back = self.forward(parameters, read, written[:, :-1])
        loss, slope = cross_entropy(logits, written[:, 1:], self.padding)
        gradients: Parameters = {}
        back(slope, gradients)
        return loss, gradients


def look(
    parameters: Parameters,
    name: str,
    rows: Floats,
    memory: Floats,
    batch: int,
    heads: int,
    seen: Seen,
) -> tuple[Floats, Back]:
    """Let every token look at what the encoder read, and add what it finds."""
    normed, norm_back = layer_norm(parameters, f"{name}.norm", rows)
    query, query_back = linear(parameters, f"{name}.query", normed)
    both, both_back = linear(parameters, f"{name}.keys_values", memory)
    (queries,) = part_heads(query, batch, 1, heads)
    mixed, mix_back = mix(queries, *part_heads(both, batch, 2, heads), seen)
    found, out_back = linear(parameters, f"{name}.out", mixed)

    def back(slope: Floats, gradients: Parameters) -> Floats:
        queries, *both = mix_back(out_back(slope, gradients))
        gradients[MEMORY] = both_back(join_heads(*both), gradients)
        return slope + norm_back(query_back(join_heads(queries), gradients), gradients)

    return rows + found, back
