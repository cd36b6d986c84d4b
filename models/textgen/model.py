"""A decoder in the shape of GPT-2 (Radford et al., 2019), in numpy: forward, gradients, training.

Every layer gives its output and the function that takes a gradient back through it::

    output, back = layer(parameters, name, input)
    gradient of input = back(gradient of output, gradients)    # and writes those of its parameters

Between layers a batch of texts is one matrix [batch · length, width].
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

Floats = npt.NDArray[np.floating]
Tokens = npt.NDArray[np.integer]
Parameters = dict[str, Floats]
Back = Callable[[Floats, Parameters], Floats]

START = ord("\n")
"""Stands before every prompt, as between the paragraphs of the training text."""
EPSILON = 1e-5
GELU_ROOT, GELU_CUBE = float(np.sqrt(2 / np.pi)), 0.044715


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
            **_norm("norm", width),
        }
        for block in self.blocks:
            parameters |= {
                **_norm(f"{block}.attention.norm", width),
                **_linear(random, f"{block}.attention.qkv", width, 3 * width),
                **_linear(random, f"{block}.attention.out", width, width, deep),
                **_norm(f"{block}.mlp.norm", width),
                **_linear(random, f"{block}.mlp.up", width, 4 * width),
                **_linear(random, f"{block}.mlp.down", 4 * width, width, deep),
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

        rows = run(embedding, texts)
        for block in self.blocks:
            rows = run(attention, f"{block}.attention", rows, batch, self.heads)
            rows = run(mlp, f"{block}.mlp", rows)
        rows = run(layer_norm, "norm", rows)
        logits = rows @ parameters["tokens"].T

        def back(slope: Floats, gradients: Parameters) -> Floats:
            slope = slope.reshape(logits.shape)
            tied = slope.T @ rows
            slope = slope @ parameters["tokens"]
            for step in reversed(backs):
                slope = step(slope, gradients)
            gradients["tokens"] += tied
            return slope

        return logits.reshape(batch, length, -1), back

    def gradients(self, parameters: Parameters, texts: Tokens) -> tuple[float, Parameters]:
        """Give the mean loss, in nats a token, and its gradients."""
        logits, back = self.forward(parameters, texts[:, :-1])
        chances = softmax(logits)
        wanted = texts[:, 1:, None].astype(np.intp)
        chosen = np.take_along_axis(chances, wanted, -1)
        np.put_along_axis(chances, wanted, chosen - 1, -1)
        gradients: Parameters = {}
        back(chances / wanted.size, gradients)
        return float(-np.log(chosen).mean()), gradients


def train(
    decoder: Decoder, tokens: Tokens, steps: int, batch: int, seed: int, fastest: float = 2e-3
) -> tuple[Parameters, float]:
    """Fit by Adam (Kingma & Ba, 2015) to windows of a text; gives the last steps' mean loss too.

    The text is read as a ring. One thread, so that the same seed gives the same bits.
    """
    random = np.random.default_rng(seed)
    parameters = decoder.start(random)
    means = {name: np.zeros_like(array) for name, array in parameters.items()}
    squares = {name: np.zeros_like(array) for name, array in parameters.items()}
    window = np.arange(decoder.context + 1)
    losses = []
    with threadpool_limits(1):
        for step in range(1, steps + 1):
            starts = random.integers(0, len(tokens), (batch, 1))
            texts = tokens.take(starts + window, mode="wrap")
            loss, gradients = decoder.gradients(parameters, texts)
            rate = fastest * min(1, step / 20) * (1 - step / (steps + 1))
            rate *= np.sqrt(1 - 0.99**step) / (1 - 0.9**step)
            for name, slope in gradients.items():
                means[name] += 0.1 * (slope - means[name])
                squares[name] += 0.01 * (slope * slope - squares[name])
                parameters[name] -= np.float32(rate) * means[name] / (np.sqrt(squares[name]) + 1e-8)
            losses.append(loss)
    return parameters, float(np.mean(losses[-50:]))


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


def embedding(parameters: Parameters, texts: Tokens) -> tuple[Floats, Back]:
    """Add what a token means to where it stands."""
    batch, length = texts.shape
    rows = parameters["tokens"][texts] + parameters["positions"][:length]

    def back(slope: Floats, gradients: Parameters) -> Floats:
        hot = np.eye(len(parameters["tokens"]), dtype=slope.dtype)[texts.ravel()]
        gradients["tokens"] = hot.T @ slope
        gradients["positions"] = np.zeros_like(parameters["positions"])
        gradients["positions"][:length] = slope.reshape(batch, length, -1).sum(0)
        return slope

    return rows.reshape(batch * length, -1), back


def attention(
    parameters: Parameters, name: str, rows: Floats, batch: int, heads: int
) -> tuple[Floats, Back]:
    """Let every byte look at those before it, and add what it finds."""
    count, width = rows.shape
    length, scale = count // batch, float((width // heads) ** -0.5)
    normed, norm_back = layer_norm(parameters, f"{name}.norm", rows)
    qkv, qkv_back = linear(parameters, f"{name}.qkv", normed)
    split = qkv.reshape(batch, length, 3, heads, -1).transpose(2, 0, 3, 1, 4)
    queries, keys, values = np.ascontiguousarray(split)
    scores = queries @ keys.swapaxes(2, 3) * scale
    weights = softmax(np.where(np.tri(length, dtype=bool), scores, -np.inf))
    mixed = (weights @ values).swapaxes(1, 2).reshape(count, width)
    found, out_back = linear(parameters, f"{name}.out", mixed)

    def back(slope: Floats, gradients: Parameters) -> Floats:
        mixed = out_back(slope, gradients).reshape(batch, length, heads, -1).swapaxes(1, 2)
        scores = mixed @ values.swapaxes(2, 3)
        scores -= (scores * weights).sum(-1, keepdims=True)
        scores *= weights * scale
        split = np.stack(
            [scores @ keys, scores.swapaxes(2, 3) @ queries, weights.swapaxes(2, 3) @ mixed]
        )
        qkv = split.transpose(1, 3, 0, 2, 4).reshape(count, 3 * width)
        return slope + norm_back(qkv_back(qkv, gradients), gradients)

    return rows + found, back


def mlp(parameters: Parameters, name: str, rows: Floats) -> tuple[Floats, Back]:
    """Think about every byte by itself, and add what comes of it."""
    normed, norm_back = layer_norm(parameters, f"{name}.norm", rows)
    wide, up_back = linear(parameters, f"{name}.up", normed)
    bent, gelu_back = gelu(wide)
    found, down_back = linear(parameters, f"{name}.down", bent)

    def back(slope: Floats, gradients: Parameters) -> Floats:
        wide = up_back(gelu_back(down_back(slope, gradients)), gradients)
        return slope + norm_back(wide, gradients)

    return rows + found, back


def linear(parameters: Parameters, name: str, rows: Floats) -> tuple[Floats, Back]:
    """Multiply by a matrix, and add a bias."""
    weight = parameters[f"{name}.weight"]

    def back(slope: Floats, gradients: Parameters) -> Floats:
        gradients[f"{name}.weight"] = rows.T @ slope
        gradients[f"{name}.bias"] = slope.sum(0)
        return slope @ weight.T

    return rows @ weight + parameters[f"{name}.bias"], back


def layer_norm(parameters: Parameters, name: str, rows: Floats) -> tuple[Floats, Back]:
    """Centre and scale every row."""
    gain = parameters[f"{name}.gain"]
    centred = rows - rows.mean(-1, keepdims=True)
    inverse = 1 / np.sqrt((centred * centred).mean(-1, keepdims=True) + EPSILON)
    normed = centred * inverse

    def back(slope: Floats, gradients: Parameters) -> Floats:
        gradients[f"{name}.gain"] = (slope * normed).sum(0)
        gradients[f"{name}.bias"] = slope.sum(0)
        slope = slope * gain
        along = (slope * normed).mean(-1, keepdims=True)
        return (slope - slope.mean(-1, keepdims=True) - normed * along) * inverse

    return normed * gain + parameters[f"{name}.bias"], back


def gelu(rows: Floats) -> tuple[Floats, Callable[[Floats], Floats]]:
    """Bend smoothly at zero, by GPT-2's formula with tanh."""
    squares = rows * rows
    bend = np.tanh(GELU_ROOT * rows * (1 + GELU_CUBE * squares))

    def back(slope: Floats) -> Floats:
        steep = GELU_ROOT * (1 + 3 * GELU_CUBE * squares)
        return slope * 0.5 * (1 + bend + rows * (1 - bend * bend) * steep)

    return 0.5 * rows * (1 + bend), back


def softmax(scores: Floats) -> Floats:
    """Turn scores into weights that add up to 1."""
    raised = np.exp(scores - scores.max(-1, keepdims=True))
    raised /= raised.sum(-1, keepdims=True)
    return raised


def waves(count: int, width: int) -> Floats:
    """Give rows of sines and cosines, of periods from 6 to 1900 rows (Vaswani et al., 2017)."""
    angles = np.arange(count)[:, None] / 300 ** (np.arange(0, width, 2) / width)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)


def _norm(name: str, width: int) -> Parameters:
    return {f"{name}.gain": np.ones(width), f"{name}.bias": np.zeros(width)}


def _linear(
    random: np.random.Generator, name: str, into: int, out: int, scale: float = 1.0
) -> Parameters:
    weight = random.normal(0, scale / np.sqrt(into), (into, out))
    return {f"{name}.weight": weight, f"{name}.bias": np.zeros(out)}
