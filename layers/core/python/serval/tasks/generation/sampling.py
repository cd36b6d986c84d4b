"""Which of the likely tokens comes next, by chance.

They are the logits warpers of transformers, in its order: a filter takes tokens out by giving them
the score minus infinity.
"""

from collections.abc import Callable
from random import Random

import numpy as np

from serval.models.tensor import Array
from serval.tasks.generation.settings import GenerationSettings
from serval.tasks.scores import softmax

Filter = Callable[[Array], Array]
"""Takes and returns scores FP32 [rows, vocabulary]."""


def make_filters(settings: GenerationSettings) -> list[Filter]:
    """Return the filters that settings ask for; none if the likeliest token is to be taken."""
    if not settings.do_sample:
        return []
    filters: list[tuple[bool, Filter]] = [
        (settings.temperature != 1.0, lambda scores: scores / np.float32(settings.temperature)),
        (settings.top_k > 0, lambda scores: keep_best(scores, settings.top_k)),
        (settings.top_p < 1.0, lambda scores: keep_nucleus(scores, settings.top_p)),
        (settings.min_p > 0.0, lambda scores: _keep_over_share(scores, settings.min_p)),
        (settings.typical_p < 1.0, lambda scores: keep_typical(scores, settings.typical_p)),
        (settings.epsilon_cutoff > 0.0, lambda scores: _keep_over(scores, settings.epsilon_cutoff)),
        (settings.eta_cutoff > 0.0, lambda scores: _keep_over_eta(scores, settings.eta_cutoff)),
    ]
    return [apply for wanted, apply in filters if wanted]


def keep_best(scores: Array, count: int) -> Array:
    """Keep the ``count`` best tokens, and those that are as good as the last of them."""
    if count >= scores.shape[-1]:
        return scores
    least = np.partition(scores, -count, axis=-1)[:, -count, None]
    return _without(scores, scores < least)


def keep_nucleus(scores: Array, mass: float) -> Array:
    """Keep the best tokens whose probabilities add up to ``mass``, at least one.

    Holtzman et al., "The Curious Case of Neural Text Degeneration" (2020), section 3.1.
    """
    order = np.argsort(scores, axis=-1, kind="stable")
    total = np.cumsum(np.take_along_axis(softmax(scores), order, axis=-1), axis=-1)
    drop = total <= 1.0 - mass
    drop[:, -1] = False
    dropped = np.zeros_like(drop)
    np.put_along_axis(dropped, order, drop, axis=-1)
    return _without(scores, dropped)


def keep_typical(scores: Array, mass: float) -> Array:
    """Keep the tokens whose surprise is nearest to the one expected, up to a probability.

    Meister et al., "Locally Typical Sampling" (2022), section 4.
    """
    probabilities = softmax(scores)
    surprise = -_log(probabilities)
    far = np.abs(surprise - _entropy(probabilities))
    order = np.argsort(far, axis=-1, kind="stable")
    total = np.cumsum(np.take_along_axis(probabilities, order, axis=-1), axis=-1)
    last = np.minimum((total < mass).sum(axis=-1), scores.shape[-1] - 1)
    furthest = np.take_along_axis(np.take_along_axis(far, order, -1), last[:, None], -1)
    return _without(scores, far > furthest)


def draw(scores: Array, random: Random) -> int:
    """Draw a token by its probability, from the scores [vocabulary] of one row."""
    total = np.cumsum(softmax(scores.astype(np.float64)))
    token = int(np.searchsorted(total, random.random() * total[-1], side="right"))
    return min(token, int(np.flatnonzero(scores > -np.inf)[-1]))


def _keep_over_share(scores: Array, share: float) -> Array:
    probabilities = softmax(scores)
    return _without(scores, probabilities < share * probabilities.max(axis=-1, keepdims=True))


def _keep_over(scores: Array, least: float | Array) -> Array:
    # Hewitt et al., "Truncation Sampling as Language Model Desmoothing" (2022), section 3.
    best = scores.max(axis=-1, keepdims=True)
    return _without(scores, (softmax(scores) < least) & (scores < best))


def _keep_over_eta(scores: Array, epsilon: float) -> Array:
    entropy = _entropy(softmax(scores))
    return _keep_over(scores, np.minimum(epsilon, np.sqrt(epsilon) * np.exp(-entropy)))


def _entropy(probabilities: Array) -> Array:
    logs = np.where(probabilities > 0, _log(probabilities), 0.0)
    entropy: Array = -(probabilities * logs).sum(axis=-1, keepdims=True)
    return entropy


def _log(probabilities: Array) -> Array:
    with np.errstate(divide="ignore"):
        logs: Array = np.log(probabilities)
    return logs


def _without(scores: Array, dropped: Array) -> Array:
    return np.where(dropped, np.float32(-np.inf), scores)
