"""story: a decoder with a cache goes on with a tale as the one in numpy does without."""

import json
from pathlib import Path

import onnx
import pytest

from tests.unit.example_models.example_api import called_by_the_hub
from tests.unit.example_models.task_examples import TaskExample

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> TaskExample:
    return TaskExample.built("not-deployed/story", tmp_path_factory.mktemp("story"), steps=250)


def test_tales_go_on_with_the_cache_as_they_do_without(story: TaskExample) -> None:
    assert story.check_golden() == [1, 1, 1, 1]


def test_a_tale_comes_to_its_end(story: TaskExample) -> None:
    text = "Once upon a time there was a brave raven who lived by the sea. One day the raven found"
    (answer,) = story.answer(text, max_new_tokens=60, details=True)
    assert answer["details"]["finish_reason"] == "eos_token"
    assert " asked for the " in answer["generated_text"]
    assert answer["generated_text"].endswith(".")


def test_texts_of_a_batch_do_not_influence_each_other(story: TaskExample) -> None:
    texts = ["Once upon a time", "One day the fox found", "The"]
    together = story.answer(*texts, max_new_tokens=12)
    assert together == [story.answer(text, max_new_tokens=12)[0] for text in texts]


def test_building_twice_gives_the_same_bytes(story: TaskExample, tmp_path: Path) -> None:
    story.check_again(tmp_path, steps=3)


def test_the_graph_has_the_names_of_optimum(story: TaskExample) -> None:
    graph = onnx.load(story.folder / "model.onnx")
    onnx.checker.check_model(graph, full_check=True)
    inputs = [one.name for one in graph.graph.input]
    assert inputs[:3] == ["input_ids", "attention_mask", "position_ids"]
    assert inputs[-1] == "past_key_values.1.value"
    assert [one.name for one in graph.graph.output][-1] == "present.1.value"
    assert json.loads((story.folder / "tokenizer.json").read_text())["model"]["type"] == "BPE"


def test_the_hubs_client_gets_the_tale(story: TaskExample, tmp_path: Path) -> None:
    text = "Once upon a time there was a brave raven"
    with called_by_the_hub(story, tmp_path) as client:
        given = client.text_generation(text, max_new_tokens=8, details=True)
    (expected,) = story.answer(text, max_new_tokens=8)
    assert given.generated_text == expected["generated_text"]
    assert given.details is not None
    assert given.details.generated_tokens == 8
