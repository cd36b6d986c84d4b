"""encoder: sentences about the same thing have embeddings that are near each other."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from serval.tasks.parameters import Parameters
from serval_cli.bundle.task_golden import open_bundle_task
from tests.unit.example_models.example_api import called_by_the_hub
from tests.unit.example_models.task_examples import TaskExample

pytestmark = pytest.mark.slow
ABOUT = [
    ("The rain surprised us.", "A storm all night"),
    ("My aunt baked bread.", "Fish and carrots for dinner"),
    ("Our team won the cup.", "The striker missed a penalty"),
    ("Whales in deep water", "The ferry left the harbour."),
]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> TaskExample:
    return TaskExample.built("not-deployed/encoder", tmp_path_factory.mktemp("encoder"))


def test_the_nearest_sentence_is_about_the_same_thing(encoder: TaskExample) -> None:
    task = open_bundle_task(encoder.folder, "model.onnx", {"name": "sentence-similarity"})
    questions, answers = zip(*ABOUT, strict=True)
    asked = [{"source_sentence": text, "sentences": list(answers)} for text in questions]
    nearness = np.array(task.answer(asked, Parameters()))
    assert nearness.argmax(axis=1).tolist() == [0, 1, 2, 3]
    assert nearness.diagonal().min() > 0.3


def test_an_embedding_has_length_1(encoder: TaskExample) -> None:
    (vector,) = encoder.answer("The sun")
    assert len(vector) == 32
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_texts_of_a_batch_do_not_influence_each_other(encoder: TaskExample) -> None:
    texts = ["The sun", "The keeper kicked a penalty before the fans", "ferry"]
    alone = [encoder.answer(text)[0] for text in texts]
    np.testing.assert_allclose(encoder.answer(*texts), alone, atol=1e-5)


def test_golden_requests_hold(encoder: TaskExample) -> None:
    assert encoder.check_golden() == [1, 1, 1]


def test_building_twice_gives_the_same_bytes(encoder: TaskExample, tmp_path: Path) -> None:
    encoder.check_again(tmp_path)


def test_the_graph_has_the_names_of_optimum(encoder: TaskExample) -> None:
    graph = onnx.load(encoder.folder / "model.onnx")
    onnx.checker.check_model(graph, full_check=True)
    inputs = [one.name for one in graph.graph.input]
    assert inputs == ["input_ids", "attention_mask", "token_type_ids"]
    assert [one.name for one in graph.graph.output] == ["last_hidden_state"]


def test_the_hubs_client_gets_the_embedding(encoder: TaskExample, tmp_path: Path) -> None:
    with called_by_the_hub(encoder, tmp_path) as client:
        given = client.feature_extraction("The sun", normalize=True)
    np.testing.assert_allclose(np.ravel(given), encoder.answer("The sun")[0], atol=1e-5)
