"""A decoder in the shape of GPT-2 (Radford et al., 2019) in numpy, and how it is trained."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.layers import (
    Back,
    Floats,
    Parameters,
    Tokens,
    attention,
    cross_entropy,
    embedding,
    fit,
    layer_norm,
    mlp,
    start_linear,
    start_norm,
    waves,
)

START = ord("\n")
"""Stands before every prompt, as between the paragraphs of the training text."""


@dataclass(frozen=True, slots=True)
class Decoder:
    """How large a decoder is."""

    layers: int
    heads: int
    width: int
    context: int
    """Most tokens that one text may have."""
    vocabulary: int = 256
    """How many tokens there are; by default every byte is one."""

    @property
    def head_width(self) -> int:
        """Give the columns of a row that one head attends with."""
        return self.width // self.heads

    def start(self, random: np.random.Generator) -> Parameters:
        """Give random parameters that learn fast.

        Positions begin as waves, and queries and keys small: both let a byte find the one before.
        """
        width, deep = self.width, float(1 / np.sqrt(2 * self.layers))
        parameters = {
            "tokens": random.normal(0, 0.1, (self.vocabulary, width)),
            "positions": 0.14 * waves(self.context, width),
            **start_norm("norm", width),
        }
        for block in self.blocks:
            parameters |= {
                **start_norm(f"{block}.attention.norm", width),
                **start_linear(random, f"{block}.attention.qkv", width, 3 * width),
                **start_linear(random, f"{block}.attention.out", width, width, deep),
                **start_norm(f"{block}.mlp.norm", width),
                **start_linear(random, f"{block}.mlp.up", width, 4 * width),
                **start_linear(random, f"{block}.mlp.down", 4 * width, width, deep),
            }
            parameters[f"{block}.attention.qkv.weight"][:, : 2 * width] *= 0.2
        return {name: array.astype(np.float32) for name, array in parameters.items()}

    @property
    def blocks(self) -> list[str]:
        """Name the blocks."""
        return [f"block{index}" for index in range(self.layers)]

    def forward(self, parameters: Parameters, texts: Tokens) -> tuple[Floats, Back]:
        """Give logits [batch, length, vocabulary] of each next token of texts [batch, length]."""
        batch, length = texts.shape
        backs: list[Back] = []

        def run(layer: Callable[..., tuple[Floats, Back]], *arguments: object) -> Floats:
            output, back = layer(parameters, *arguments)
            backs.append(back)
            return output

        before = np.tri(length, dtype=bool)
        rows = run(embedding, "positions", texts)
        for block in self.blocks:
            rows = run(attention, f"{block}.attention", rows, batch, self.heads, before)
            rows = run(mlp, f"{block}.mlp", rows)
        rows = run(layer_norm, "norm", rows)
        logits = rows @ parameters["tokens"].T

        def back(slope: Floats, gradients: Parameters) -> Floats:
            slope = slope.reshape(logits.shape)
            gradients["tokens"] = slope.T @ rows
            slope = slope @ parameters["tokens"]
            for step in reversed(backs):
                slope = step(slope, gradients)
            return slope

        return logits.reshape(batch, length, -1), back

    def gradients(self, parameters: Parameters, texts: Tokens) -> tuple[float, Parameters]:
        """Give the mean loss, in nats a token, and its gradients."""
        logits, back = self.forward(parameters, texts[:, :-1])
        loss, slope = cross_entropy(logits, texts[:, 1:])
        gradients: Parameters = {}
        back(slope, gradients)
        return loss, gradients


def train(
    decoder: Decoder, tokens: Tokens, steps: int, batch: int, seed: int, fastest: float = 2e-3
) -> tuple[Parameters, float]:
    """Fit to windows of a text, read as a ring; gives the last steps' mean loss too."""
    random = np.random.default_rng(seed)
    parameters = decoder.start(random)
    window = np.arange(decoder.context + 1)

    def gradients() -> tuple[float, Parameters]:
        starts = random.integers(0, len(tokens), (batch, 1))
        return decoder.gradients(parameters, tokens.take(starts + window, mode="wrap"))

    return parameters, fit(parameters, gradients, steps, fastest)


def complete(
    decoder: Decoder, parameters: Parameters, prompts: Tokens, new_tokens: int
) -> tuple[Tokens, float]:
    """Give the likeliest bytes after each prompt [batch, length], without a cache.

    Also gives by how much the closest of these choices was won, in nats.
    """
    start = np.full((len(prompts), 1), START, np.uint8)
    texts = np.concatenate([start, prompts], axis=1)[:, -(decoder.context - new_tokens) :]
    return go_on(decoder, parameters, texts, new_tokens)


def go_on(
    decoder: Decoder, parameters: Parameters, texts: Tokens, new_tokens: int
) -> tuple[Tokens, float]:
    """Give the likeliest tokens after texts [batch, length], and the closest choice, in nats."""
    closest = np.inf
    for _ in range(new_tokens):
        logits = decoder.forward(parameters, texts)[0][:, -1]
        second, first = np.sort(logits)[:, -2:].T
        closest = min(closest, float((first - second).min()))
        likeliest = logits.argmax(-1).astype(texts.dtype)
        texts = np.concatenate([texts, likeliest[:, None]], axis=1)
    return texts[:, -new_tokens:], closest
