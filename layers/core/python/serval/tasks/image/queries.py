"""Segments from queries, each of which has a class and a mask.

Cheng and others, "Per-Pixel Classification is Not All You Need for Semantic Segmentation" (2021).
"""

from collections.abc import Iterator

import numpy as np

from serval.models.tensor import Array
from serval.tasks.image.masks import best_map
from serval.tasks.image.sizes import Size
from serval.tasks.scores import sigmoid, softmax

MASKS = (("class_queries_logits", "masks_queries_logits"), ("logits", "pred_masks"))
"""Outputs of class logits [queries, classes + 1] and mask logits [queries, h, w]."""
SCORE_DIGITS = 6


def semantic_maps(logits: Array, masks: Array) -> Array:
    """Return the scores of each class at each pixel: FP32 [classes, h, w]."""
    shares = softmax(logits)[:, :-1]
    return np.tensordot(shares.T, sigmoid(masks), axes=1)


def find_segments(
    logits: Array,
    masks: Array,
    size: Size,
    threshold: float,
    mask_threshold: float,
    least_share: float,
) -> Iterator[tuple[int, float, Array]]:
    """Find the segments that no other covers.

    Parameters
    ----------
    threshold
        The score that a query must exceed.
    mask_threshold
        The score from which a pixel belongs to a query's mask.
    least_share
        The share of its mask that a segment must keep where masks overlap.

    Yields
    ------
    Class, score, and mask: BOOL [height, width], in the size of the image.
    """
    shares = softmax(logits)
    scores, classes = shares.max(axis=1), shares.argmax(axis=1)
    kept = (classes != logits.shape[1] - 1) & (scores > threshold)
    scores, classes = scores[kept], classes[kept]
    if not len(scores):
        return
    found = best_map(sigmoid(masks[kept]) * scores[:, None, None], size, mask_threshold)
    won = np.bincount(found.winners.ravel(), minlength=len(scores))
    for number, score in enumerate(scores):
        if won[number] and found.over[number] and won[number] / found.over[number] > least_share:
            yield int(classes[number]), round(float(score), SCORE_DIGITS), found.winners == number
