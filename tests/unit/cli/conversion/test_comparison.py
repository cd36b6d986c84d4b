"""A graph that answers otherwise than the original is refused with the row."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from serval.tasks.parameters import Parameters
from serval_cli.conversion.comparison import compare
from serval_cli.conversion.drawing import draw_rows
from serval_cli.conversion.original import (
    CLASSIFICATION,
    REGRESSION,
    Original,
    OriginalAnswers,
    OriginalColumn,
)

ROWS = [{"x": 1.0}, {"x": 2.0}]


class Answering:
    """A task that answers what it is told to."""

    takes, accepts, answers_in_list = "table", frozenset({"probabilities"}), False

    def __init__(self, answers: Sequence[Any]) -> None:
        self.answers = answers

    def answer(self, inputs: Sequence[Any], parameters: Parameters) -> list[Any]:
        return list(self.answers)


def original(task: str, labels: Sequence[str] | None = None) -> Original:
    def unused(_: Any) -> Any:
        raise AssertionError

    return Original("a model", task, [OriginalColumn("x")], unused, unused, labels)


def described(label: str, score: float) -> dict[str, Any]:
    return {"label": label, "score": score, "probabilities": {"a": score, "b": 1 - score}}


def test_numbers_may_differ_by_a_ten_thousandth() -> None:
    answers = OriginalAnswers(numbers=np.array([1000.0, 2000.0]))
    near = compare(original(REGRESSION), answers, Answering([1000.05, 2000.0]), ROWS)
    assert (near.problem, near.largest) == (None, pytest.approx(0.05 / 1500))
    far = compare(original(REGRESSION), answers, Answering([1000.0, 2001.0]), ROWS)
    assert far.problem is not None
    assert far.problem.startswith(
        "row 1 ({'x': 2.0}) is 2000 to the original and 2001 to the graph"
    )


def test_labels_must_be_equal() -> None:
    expected = OriginalAnswers(["a", "b"], np.array([[0.9, 0.1], [0.5, 0.5]]))
    given = [described("a", 0.9), described("a", 0.5)]
    found = compare(original(CLASSIFICATION, ["a", "b"]), expected, Answering(given), ROWS)
    assert found.problem == (
        "1 of 2 labels differ: row 1 ({'x': 2.0}) is 'b' to the original and 'a' to the graph"
    )


def test_probabilities_are_compared_by_label() -> None:
    expected = OriginalAnswers(["a", "a"], np.array([[0.1, 0.9], [0.5, 0.5]]))
    given = [described("a", 0.9), described("a", 0.5)]
    swapped = compare(original(CLASSIFICATION, ["b", "a"]), expected, Answering(given), ROWS)
    assert (swapped.problem, swapped.largest) == (None, pytest.approx(0, abs=1e-9))
    assert compare(original(CLASSIFICATION, ["a", "b"]), expected, Answering(given), ROWS).problem


def test_another_count_of_numbers_is_refused() -> None:
    answers = OriginalAnswers(numbers=np.zeros((2, 2)))
    found = compare(original(REGRESSION), answers, Answering([1.0, 2.0]), ROWS)
    assert found.problem == "the graph answers 1 numbers for a row, the original 2"


def test_rows_are_drawn_from_what_the_model_has_seen() -> None:
    columns = [
        OriginalColumn("city", "text", known=["Bern"]),
        OriginalColumn("age", imputed=True, mean=40, spread=2),
        OriginalColumn("floor", "integer"),
        OriginalColumn("note", "text"),
    ]
    rows = draw_rows(columns)
    assert rows == draw_rows(columns)
    assert {row["city"] for row in rows} == {"Bern"}
    assert None in [row["age"] for row in rows]
    assert all(isinstance(row["floor"], int) and row["note"] for row in rows)
