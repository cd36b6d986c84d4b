"""The layers of a transformer in numpy, forward and back, and how their weights are fitted.

Every layer gives its output and the function that takes a gradient back through it::

    output, back = layer(parameters, name, input)
    gradient of input = back(gradient of output, gradients)    # and writes those of its parameters

Between layers a batch of texts is one matrix [batch · length, width].
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

Floats = npt.NDArray[np.floating]
Tokens = npt.NDArray[np.integer]
Seen = npt.NDArray[np.bool_]
"""Which tokens may look at which, of a shape that fits [batch, heads, length, length]."""
Parameters = dict[str, Floats]
Back = Callable[[Floats, Parameters], Floats]

EPSILON = 1e-5
GELU_ROOT, GELU_CUBE = float(np.sqrt(2 / np.pi)), 0.044715


def fit(
    parameters: Parameters,
    gradients_of: Callable[[], tuple[float, Parameters]],
    steps: int,
    fastest: float,
) -> float:
    """Fit parameters in place by Adam (Kingma & Ba, 2015); gives the last steps' mean loss.

    ``gradients_of`` draws a batch, and gives the loss and its gradients. One thread, so that the
    same seed gives the same bits.
    """
    means = {name: np.zeros_like(array) for name, array in parameters.items()}
    squares = {name: np.zeros_like(array) for name, array in parameters.items()}
    losses = []
    with threadpool_limits(1):
        for step in range(1, steps + 1):
            loss, gradients = gradients_of()
            rate = fastest * min(1, step / 20) * (1 - step / (steps + 1))
            rate *= np.sqrt(1 - 0.99**step) / (1 - 0.9**step)
            for name, slope in gradients.items():
                means[name] += 0.1 * (slope - means[name])
                squares[name] += 0.01 * (slope * slope - squares[name])
                parameters[name] -= np.float32(rate) * means[name] / (np.sqrt(squares[name]) + 1e-8)
            losses.append(loss)
    return float(np.mean(losses[-50:]))


def embedding(parameters: Parameters, places: str, texts: Tokens) -> tuple[Floats, Back]:
    """Add what a token means to where it stands, which ``places`` names.

    The gradient of the tokens is added to that of what follows them, which have the same table.
    """
    batch, length = texts.shape
    table, positions = parameters["tokens"], parameters[places]
    rows = table[texts] + positions[:length]

    def back(slope: Floats, gradients: Parameters) -> Floats:
        hot = np.eye(len(table), dtype=slope.dtype)[texts.ravel()]
        gradients["tokens"] = gradients["tokens"] + hot.T @ slope
        gradients[places] = np.zeros_like(positions)
        gradients[places][:length] = slope.reshape(batch, length, -1).sum(0)
        return slope

    return rows.reshape(batch * length, -1), back


def attention(
    parameters: Parameters, name: str, rows: Floats, batch: int, heads: int, seen: Seen
) -> tuple[Floats, Back]:
    """Let every token look at those that it may see, and add what it finds."""
    normed, norm_back = layer_norm(parameters, f"{name}.norm", rows)
    qkv, qkv_back = linear(parameters, f"{name}.qkv", normed)
    mixed, mix_back = mix(*part_heads(qkv, batch, 3, heads), seen)
    found, out_back = linear(parameters, f"{name}.out", mixed)

    def back(slope: Floats, gradients: Parameters) -> Floats:
        parts = mix_back(out_back(slope, gradients))
        return slope + norm_back(qkv_back(join_heads(*parts), gradients), gradients)

    return rows + found, back


def mix(
    queries: Floats, keys: Floats, values: Floats, seen: Seen
) -> tuple[Floats, Callable[[Floats], tuple[Floats, Floats, Floats]]]:
    """Mix the values by how queries and keys agree: [batch, heads, length, …] to [rows, width].

    What takes a gradient back gives those of queries, keys and values.
    """
    scale = float(queries.shape[-1] ** -0.5)
    scores = queries @ keys.swapaxes(2, 3) * scale
    weights = softmax(np.where(seen, scores, -np.inf))

    def back(slope: Floats) -> tuple[Floats, Floats, Floats]:
        (slope,) = part_heads(slope, len(queries), 1, queries.shape[1])
        scores = slope @ values.swapaxes(2, 3)
        scores -= (scores * weights).sum(-1, keepdims=True)
        scores *= weights * scale
        return scores @ keys, scores.swapaxes(2, 3) @ queries, weights.swapaxes(2, 3) @ slope

    return join_heads(weights @ values), back


def part_heads(rows: Floats, batch: int, parts: int, heads: int) -> Floats:
    """Part rows into [parts, batch, heads, length, width of a head]."""
    split = rows.reshape(batch, len(rows) // batch, parts, heads, -1)
    return np.ascontiguousarray(split.transpose(2, 0, 3, 1, 4))


def join_heads(*parts: Floats) -> Floats:
    """Join what was parted."""
    split = np.stack(parts).transpose(1, 3, 0, 2, 4)
    return split.reshape(split.shape[0] * split.shape[1], -1)


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


def cross_entropy(logits: Floats, wanted: Tokens, padding: int = -1) -> tuple[float, Floats]:
    """Give the mean loss, in nats a token, and its gradient; padding does not count."""
    chances = softmax(logits)
    places = wanted[..., None].astype(np.intp)
    counted = places != padding
    chosen = np.take_along_axis(chances, places, -1)
    np.put_along_axis(chances, places, chosen - 1, -1)
    # An integer of numpy would make all that follows FP64.
    return float(-np.log(chosen)[counted].mean()), chances * counted / int(counted.sum())


def waves(count: int, width: int) -> Floats:
    """Give rows of sines and cosines, of periods from 6 to 1900 rows (Vaswani et al., 2017)."""
    angles = np.arange(count)[:, None] / 300 ** (np.arange(0, width, 2) / width)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)


def start_norm(name: str, width: int) -> Parameters:
    """Give the parameters of a norm."""
    return {f"{name}.gain": np.ones(width), f"{name}.bias": np.zeros(width)}


def start_linear(
    random: np.random.Generator, name: str, into: int, out: int, scale: float = 1.0
) -> Parameters:
    """Give random parameters of a linear layer."""
    weight = random.normal(0, scale / np.sqrt(into), (into, out))
    return {f"{name}.weight": weight, f"{name}.bias": np.zeros(out)}
