"""A converted graph beside the original, on the same rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from serval.models.tensor import Array
from serval.short_repr import short_repr
from serval.tasks.parameters import Parameters
from serval.tasks.task import Task
from serval_cli.conversion.original import REGRESSION, TEXTS, Original, OriginalAnswers, Rows

TOLERANCE = 1e-4
"""Relative to the number, and to their mean where it is smaller than that."""
PROBABILITIES = Parameters({"probabilities": True})


@dataclass(frozen=True, slots=True)
class Comparison:
    """How far a graph is from its original."""

    largest: float | None
    """The largest relative difference of a number; None if only labels were compared."""
    problem: str | None
    """Why the graph must not be used."""


def parameters_of(original: Original, answers: OriginalAnswers) -> Parameters:
    """Return what the task is asked: for probabilities too, where the original has them."""
    certain = original.labels is not None and answers.numbers is not None
    return PROBABILITIES if certain and original.task != TEXTS else Parameters()


def compare(original: Original, answers: OriginalAnswers, task: Task, rows: Rows) -> Comparison:
    """Compare what a task answers to rows with the answers of the original."""
    if original.task == REGRESSION:
        assert answers.numbers is not None
        return _compare_numbers(answers.numbers, np.array(task.answer(rows, Parameters())), rows)
    parameters = parameters_of(original, answers)
    given = task.answer(original.inputs(rows), parameters)
    if original.task == TEXTS:
        given = [_by_label(pairs) for pairs in given]
    labels = [one["label"] if isinstance(one, dict) else one for one in given]
    problem = _compare_labels(answers.labels or (), labels, rows)
    if problem is not None or answers.numbers is None or original.labels is None:
        return Comparison(None, problem)
    found = [[one["probabilities"][label] for label in original.labels] for one in given]
    return _compare_numbers(answers.numbers, np.array(found), rows)


def relative_differences(expected: Array, given: Array) -> Array:
    """Return the difference of each number, relative to it, or to their mean if that is more."""
    size = np.abs(expected)
    difference: Array = np.abs(expected - given) / np.maximum(size, size.mean() or 1.0)
    return difference


def _by_label(pairs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    scores = {pair["label"]: pair["score"] for pair in pairs}
    return {"label": pairs[0]["label"], "probabilities": scores}


def _compare_labels(expected: Sequence[Any], given: Sequence[Any], rows: Rows) -> str | None:
    different = [
        index for index, pair in enumerate(zip(expected, given, strict=True)) if pair[0] != pair[1]
    ]
    if not different:
        return None
    index = different[0]
    return (
        f"{len(different)} of {len(rows)} labels differ: row {index} "
        f"({short_repr(dict(rows[index]))}) is {expected[index]!r} to the original and "
        f"{given[index]!r} to the graph"
    )


def _compare_numbers(expected: Array, given: Array, rows: Rows) -> Comparison:
    expected, given = (array.reshape(len(rows), -1) for array in (expected, given))
    if expected.shape != given.shape:
        return Comparison(
            None,
            f"the graph answers {given.shape[1]} numbers for a row, the original "
            f"{expected.shape[1]}",
        )
    difference = relative_differences(expected, given)
    row, place = np.unravel_index(int(difference.argmax()), difference.shape)
    largest = float(difference[row, place])
    if largest <= TOLERANCE:
        return Comparison(largest, None)
    return Comparison(
        largest,
        f"row {row} ({short_repr(dict(rows[int(row)]))}) is {expected[row, place]:.7g} to the "
        f"original and {given[row, place]:.7g} to the graph: a relative difference of "
        f"{largest:.1e}, at most {TOLERANCE:g} allowed",
    )
