"""From logits to scores and the best of them."""

import numpy as np

from serval.models.tensor import Array


def softmax(logits: Array) -> Array:
    """Return the softmax over the last axis, in float32 as the original pipelines compute it."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    result: Array = shifted / shifted.sum(axis=-1, keepdims=True)
    return result


def sigmoid(logits: Array) -> Array:
    """Return the logistic function of each element."""
    with np.errstate(over="ignore"):  # of a very small logit, which becomes 0
        result: Array = 1.0 / (1.0 + np.exp(-logits))
    return result


def best_first(scores: Array, count: int) -> list[int]:
    """Return the indices of the ``count`` highest of 1-D scores, ties in their order."""
    order: list[int] = np.argsort(-scores, kind="stable")[:count].tolist()
    return order
