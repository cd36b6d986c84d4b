"""The best spans of a context, by the scores of where an answer begins and ends.

Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers" (2019), section 4.2: the
probability of a span is that of its first token times that of its last.
"""

from dataclasses import dataclass

import numpy as np

from serval.models.tensor import Array
from serval.tasks.scores import softmax

EXCLUDED = np.float32(-10_000.0)
"""The logit of a token that no answer begins or ends with."""


@dataclass(frozen=True, slots=True)
class AnswerSpan:
    """Tokens from ``first`` to ``last``, both included."""

    first: int
    last: int
    score: float


def best_spans(
    start: Array, end: Array, allowed: Array, count: int, longest: int
) -> tuple[list[AnswerSpan], float]:
    """Return up to ``count`` spans of a window, best first, and the score of its having none.

    Parameters
    ----------
    start, end
        Logits, [tokens].
    allowed
        Which tokens may be in an answer, [tokens]; the first one stands for there being none.
    longest
        The most tokens that a span may have.
    """
    starts = softmax(np.where(allowed, start, EXCLUDED))
    ends = softmax(np.where(allowed, end, EXCLUDED))
    nothing = float(starts[0] * ends[0])
    starts[0] = ends[0] = 0.0
    tokens = len(starts)
    scores = np.zeros((min(longest, tokens), tokens), np.float32)
    """By how many tokens the span goes on, and by its first."""
    for more, row in enumerate(scores):
        np.multiply(starts[: tokens - more], ends[more:], out=row[: tokens - more])
    flat = scores.ravel()
    order = np.argsort(-flat, kind="stable")[:count]
    spans = []
    for place in order[flat[order] > 0].tolist():
        more, first = divmod(place, tokens)
        spans.append(AnswerSpan(first, first + more, float(flat[place])))
    return spans, nothing
