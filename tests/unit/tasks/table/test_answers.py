"""Labels, probabilities and numbers of rows."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serval.errors import InvalidInputs, InvalidParameter
from serval.models.signature import TensorSpec
from serval.models.tensor import Array, Tensor
from serval.protocol.binary_tensors import bytes_array
from serval.tasks.catalogue import open_task
from serval.tasks.files import TaskFiles, TaskUnreadable
from serval.tasks.graph import TaskGraph
from serval.tasks.parameters import Parameters
from serval.tasks.task import Task

PROBABILITIES = np.array([[0.25, 0.75], [0.5, 0.5]], np.float32)
ROWS = [{"x": 1}, {"x": 2}]
TEXTS = bytes_array([b"no", b"yes"], [2])
WANTED = Parameters({"probabilities": True})
KINDS = {"f": "FP32", "i": "INT64", "O": "BYTES"}


def opened(name: str, outputs: Mapping[str, Array], **options: Any) -> Task:
    specs = {
        key: TensorSpec(key, KINDS[array.dtype.kind], (-1, *array.shape[1:]))
        for key, array in outputs.items()
    }
    graph = TaskGraph(
        {"x": TensorSpec("x", "FP32", (-1, 1))},
        specs,
        lambda _, wanted: [Tensor(s.name, s.datatype, outputs[s.name]) for s in wanted],
    )
    return open_task(name, TaskFiles(Path(), lambda _: graph, options), graph)


def classifier(outputs: Mapping[str, Array], **options: Any) -> Task:
    return opened("tabular-classification", outputs, **options)


def test_labels_of_text_are_answered_as_they_are() -> None:
    task = classifier({"label": TEXTS, "p": PROBABILITIES})
    assert task.answer(ROWS, Parameters()) == ["no", "yes"]
    assert task.answer([], Parameters()) == []


def test_labels_of_numbers_are_text_in_the_answer() -> None:
    outputs = {"label": np.array([1, 0]), "p": PROBABILITIES}
    assert classifier(outputs).answer(ROWS, Parameters()) == ["1", "0"]
    named = classifier(outputs, labels=["died", "survived"])
    assert named.answer(ROWS, Parameters()) == ["survived", "died"]


def test_classes_that_are_no_indices_are_their_own_labels() -> None:
    task = classifier({"label": np.array([[5], [3]]), "p": PROBABILITIES}, labels=["3", "5"])
    assert task.answer(ROWS, Parameters()) == ["5", "3"]


def test_probabilities_come_with_the_labels_on_request() -> None:
    task = classifier({"label": TEXTS, "p": PROBABILITIES}, labels=["yes", "no"])
    assert task.answer(ROWS, WANTED) == [
        {"label": "no", "score": 0.75, "probabilities": {"yes": 0.25, "no": 0.75}},
        {"label": "yes", "score": 0.5, "probabilities": {"yes": 0.5, "no": 0.5}},
    ]


def test_scores_alone_name_the_best_class() -> None:
    task = classifier({"p": PROBABILITIES}, labels=["a", "b"])
    assert task.answer(ROWS, Parameters()) == ["b", "a"]
    assert classifier({"p": PROBABILITIES}).answer(ROWS, Parameters()) == ["1", "0"]


def test_one_score_of_two_classes_is_that_of_the_second() -> None:
    logits = np.array([[2.0], [-2.0]], np.float32)
    task = classifier({"y": logits}, labels=["a", "b"], function_to_apply="sigmoid")
    first, second = task.answer(ROWS, WANTED)
    assert (first["label"], second["label"]) == ("b", "a")
    assert first["score"] == pytest.approx(0.880797, abs=1e-6)


def test_several_labels_of_a_row_are_a_list() -> None:
    task = classifier({"label": np.array([[0, 1, 1], [1, 0, 0]])})
    assert task.answer(ROWS, Parameters()) == [["0", "1", "1"], ["1", "0", "0"]]


def test_probabilities_that_have_no_names_are_refused() -> None:
    task = classifier({"label": TEXTS, "p": PROBABILITIES})
    with pytest.raises(InvalidParameter, match="does not name their labels"):
        task.answer(ROWS, WANTED)
    with pytest.raises(InvalidParameter, match="the model has none"):
        classifier({"label": TEXTS}, labels=["no", "yes"]).answer(ROWS, WANTED)


def test_labels_that_are_not_as_many_as_the_classes_are_refused() -> None:
    with pytest.raises(TaskUnreadable, match="1 labels, but the graph has 2 classes"):
        classifier({"label": TEXTS, "p": PROBABILITIES}, labels=["a"])
    with pytest.raises(TaskUnreadable, match="labels or scores expected"):
        classifier({})


def test_a_regressor_answers_numbers() -> None:
    assert opened("tabular-regression", {"y": PROBABILITIES[:, :1]}).answer(ROWS, Parameters()) == [
        0.25,
        0.5,
    ]
    several = opened("tabular-regression", {"y": PROBABILITIES})
    assert several.answer(ROWS, Parameters()) == [[0.25, 0.75], [0.5, 0.5]]
    assert several.answer([], Parameters()) == []
    with pytest.raises(TaskUnreadable, match="no output of numbers"):
        opened("tabular-regression", {"y": TEXTS})


@pytest.mark.parametrize("name", ["tabular-classification", "tabular-regression"])
def test_a_row_that_the_model_answers_with_nan_is_refused_with_its_empty_columns(
    name: str,
) -> None:
    task = opened(name, {"y": np.array([[0.5], [np.nan]], np.float32)})
    with pytest.raises(InvalidInputs, match=r"input 1: .* no answer to this row: .* value in 'x'"):
        task.answer([{"x": 1}, {"x": None}], Parameters())
    with pytest.raises(InvalidInputs, match=r"input 1: the model has no answer to this row$"):
        task.answer(ROWS, Parameters())
