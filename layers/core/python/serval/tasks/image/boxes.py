"""Boxes of detected objects, and how they are told apart from their doubles."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from serval.models.tensor import Array


def corners(centers: Array) -> Array:
    """Turn (center x, center y, width, height) into (x min, y min, x max, y max): [n, 4]."""
    half = centers[:, 2:] * np.float32(0.5)
    result: Array = np.concatenate([centers[:, :2] - half, centers[:, :2] + half], axis=1)
    return result


def overlap(box: Array, boxes: Array) -> Array:
    """Return the intersection over union of a box [4] with each of others [n, 4]."""
    inner = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    shared = inner.clip(min=0).prod(axis=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    union = (box[2:] - box[:2]).prod() + areas - shared
    result: Array = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return result


def suppress(boxes: Array, scores: Array, classes: Array, most_overlap: float, count: int) -> Array:
    """Keep the best of boxes that overlap within a class: greedy non-maximum suppression.

    Parameters
    ----------
    boxes
        Corners, [n, 4].
    scores, classes
        Of each box, [n].
    most_overlap
        The intersection over union above which the lesser of two boxes goes.
    count
        How many are kept at most.

    Returns
    -------
        Their indices, best first.
    """
    waiting = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while waiting.size and len(kept) < count:
        best, waiting = waiting[0], waiting[1:]
        kept.append(int(best))
        doubles = classes[waiting] == classes[best]
        doubles[doubles] = overlap(boxes[best], boxes[waiting[doubles]]) > most_overlap
        waiting = waiting[~doubles]
    return np.asarray(kept, np.int64)


def name_boxes(
    boxes: Array, scores: Array, classes: Array, labels: Sequence[str]
) -> list[dict[str, Any]]:
    """Return ``{"score", "label", "box": {"xmin", "ymin", "xmax", "ymax"}}`` of each box."""
    return [
        {
            "score": float(score),
            "label": labels[number] if 0 <= number < len(labels) else f"LABEL_{number}",
            "box": dict(zip(("xmin", "ymin", "xmax", "ymax"), map(int, box), strict=True)),
        }
        for box, score, number in zip(boxes, scores, classes, strict=True)
    ]
