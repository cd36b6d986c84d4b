"""titanic: a network over mixed columns answers passengers in words, as scikit-learn does."""

import json
from pathlib import Path
from typing import Any

import onnx
import pytest

from models.titanic import build
from serval.bundles.bundle import read_bundle
from serval.bundles.onnx_signature import read_signature
from serval.inference.runtimes.onnx import OnnxModel
from serval.rollouts.golden.requests import read_golden
from serval.rollouts.golden.task_answers import compare_answers
from serval.tasks.call import answer_payload, shape_answers
from serval.tasks.catalogue import open_task
from serval.tasks.files import TaskFiles
from serval.tasks.graph import TaskGraph
from serval.tasks.parameters import Parameters
from serval.tasks.payload import read_payload
from serval.tasks.task import Task

SOURCE = Path(build.__file__).parent
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
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    built = tmp_path_factory.mktemp("titanic")
    said = build.build(built)
    assert said.startswith("titanic: ")
    assert "all made up" in said
    return built


@pytest.fixture(scope="module")
def task(folder: Path) -> Task:
    declared = read_bundle((SOURCE / "model.yaml").read_bytes()).task
    assert declared is not None
    signature = read_signature(onnx.load(folder / "model.onnx"))
    graph = TaskGraph(
        {spec.name: spec for spec in signature.inputs},
        {spec.name: spec for spec in signature.outputs},
        OnnxModel(folder / "model.onnx", 1769).run,
    )
    options = declared.model_dump(mode="json", exclude={"name"}, exclude_none=True)
    return open_task(declared.name, TaskFiles(folder, lambda _: graph, options), graph)


def test_every_held_out_passenger_is_answered_as_scikit_learn_does(task: Task) -> None:
    training, held_out, fates, _ = build.measured()
    model = build.train(training, fates)
    answers = task.answer(build.requested(held_out), Parameters({"probabilities": True}))
    assert compare_answers(build.expected(model, held_out), answers, 1e-4).reasons == ()


def test_a_passenger_is_answered_with_a_word(task: Task) -> None:
    assert task.answer([PASSENGER], Parameters()) == ["survived"]
    man = {**PASSENGER, "class": 3, "sex": "male", "age": 40}
    assert task.answer([man], Parameters()) == ["died"]


@pytest.mark.parametrize("column", ["age", "fare", "embarked"])
def test_what_is_missing_is_filled_in(column: str, task: Task) -> None:
    texts: dict[str, Any] = {name: str(value) for name, value in PASSENGER.items()}
    assert task.answer([{**texts, column: None}], Parameters()) == ["survived"]


def test_golden_requests_hold_missing_cells_and_several_lengths(folder: Path, task: Task) -> None:
    lines = read_golden("golden.jsonl", (folder / "golden.jsonl").read_bytes())
    lengths = []
    for line in lines:
        payload = read_payload(line.body, "application/json", task)
        given = shape_answers(task, payload, answer_payload(task, payload))
        assert compare_answers(line.answer, given, 1e-4).reasons == ()
        lengths.append(len(payload.inputs))
    assert lengths == [1, 2, 4, 8, 16, 32]
    assert any(None in row.values() for line in lines for row in json.loads(line.body)["inputs"])


def test_building_twice_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    build.build(tmp_path)
    for name in ("model.onnx", "golden.jsonl"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_the_graph_ends_in_tensors(folder: Path) -> None:
    graph = onnx.load(folder / "model.onnx")
    onnx.checker.check_model(graph, full_check=True)
    assert "ZipMap" not in {node.op_type for node in graph.graph.node}
