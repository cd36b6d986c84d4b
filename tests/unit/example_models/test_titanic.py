"""titanic: a network over mixed columns answers passengers in words, as scikit-learn does."""

import json
from pathlib import Path
from typing import Any

import onnx
import pytest

from serval.rollouts.golden.task_answers import compare_answers
from tests.unit.example_models.example_api import called_by_the_hub
from tests.unit.example_models.task_examples import TaskExample

PASSENGER = {
    "class": 1,
    "sex": "female",
    "age": 8,
    "siblings": 1,
    "parents": 2,
    "fare": 60,
    "embarked": "Cherbourg",
}


@pytest.fixture(scope="module")
def titanic(tmp_path_factory: pytest.TempPathFactory) -> TaskExample:
    return TaskExample.built("titanic", tmp_path_factory.mktemp("titanic"))


def test_every_held_out_passenger_is_answered_as_scikit_learn_does(titanic: TaskExample) -> None:
    training, held_out, fates, _ = titanic.build.measured()
    model = titanic.build.train(training, fates)
    answers = titanic.answer(*titanic.build.requested(held_out), probabilities=True)
    expected = titanic.build.expected(model, held_out)
    assert compare_answers(expected, answers, 1e-4).reasons == ()


def test_a_passenger_is_answered_with_a_word(titanic: TaskExample) -> None:
    man = {**PASSENGER, "class": 3, "sex": "male", "age": 40}
    assert titanic.answer(PASSENGER, man) == ["survived", "died"]
    assert "63 held-out passengers, all made up" in titanic.said


@pytest.mark.parametrize("column", ["age", "fare", "embarked"])
def test_what_is_missing_is_filled_in(column: str, titanic: TaskExample) -> None:
    texts: dict[str, Any] = {name: str(value) for name, value in PASSENGER.items()}
    assert titanic.answer({**texts, column: None}) == ["survived"]


def test_golden_requests_hold_missing_cells_and_several_lengths(titanic: TaskExample) -> None:
    assert titanic.check_golden() == [1, 2, 4, 8, 16, 32]
    lines = map(json.loads, (titanic.folder / "golden.jsonl").read_text().splitlines())
    assert any(None in row.values() for line in lines for row in line["request"]["inputs"])


def test_building_twice_gives_the_same_bytes(titanic: TaskExample, tmp_path: Path) -> None:
    titanic.check_again(tmp_path)


def test_the_graph_ends_in_tensors(titanic: TaskExample) -> None:
    graph = onnx.load(titanic.folder / "model.onnx")
    onnx.checker.check_model(graph, full_check=True)
    assert "ZipMap" not in {node.op_type for node in graph.graph.node}


def test_the_hubs_client_classifies_passengers(titanic: TaskExample, tmp_path: Path) -> None:
    man = {**PASSENGER, "class": 3, "sex": "male", "age": 40}
    table = {name: [str(PASSENGER[name]), str(man[name])] for name in PASSENGER}
    with called_by_the_hub(titanic, tmp_path) as client:
        assert client.tabular_classification(table) == ["survived", "died"]
