"""Runs of a graph over sounds of several lengths."""

from collections.abc import Sequence

import numpy as np

from serval.models.tensor import Array
from serval.tasks.graph import TaskGraph

MOST_AT_ONCE = 8


def run_alike(graph: TaskGraph, prepared: Sequence[dict[str, Array]], output: str) -> list[Array]:
    """Run a graph over inputs of one row each, and return the row of an output for each.

    Inputs of the same shape share a run. None is padded to the length of another: normalisation
    over time, as Wav2Vec2 has it, would hear the padding.
    """
    rows: list[Array] = [np.zeros(0, np.float32)] * len(prepared)
    for indices in _alike(prepared, 1 if _takes_one(graph) else MOST_AT_ONCE):
        batch = {
            name: np.concatenate([prepared[index][name] for index in indices])
            for name in prepared[indices[0]]
        }
        for index, row in zip(indices, graph.run(batch, [output])[output], strict=True):
            rows[index] = row
    return rows


def logits_name(graph: TaskGraph) -> str:
    """Return the name of a classifier's output: ``logits``, or else the first."""
    return "logits" if "logits" in graph.outputs else next(iter(graph.outputs))


def _takes_one(graph: TaskGraph) -> bool:
    return any(spec.shape[:1] == (1,) for spec in graph.inputs.values())


def _alike(prepared: Sequence[dict[str, Array]], most: int) -> list[list[int]]:
    groups: dict[tuple[tuple[int, ...], ...], list[int]] = {}
    for index, arrays in enumerate(prepared):
        groups.setdefault(tuple(array.shape for array in arrays.values()), []).append(index)
    return [
        group[start : start + most]
        for group in groups.values()
        for start in range(0, len(group), most)
    ]
