"""reviews: a graph that reads text itself answers as scikit-learn's own model does."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from serval.bundles.verification.locales import locale_reasons
from serval.errors import InvalidInputs
from tests.unit.example_models.example_api import called_by_the_hub
from tests.unit.example_models.task_examples import TaskExample

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> TaskExample:
    return TaskExample.built("reviews", tmp_path_factory.mktemp("reviews"))


def test_every_text_is_answered_as_scikit_learn_does(reviews: TaskExample) -> None:
    training, held_out, labels, _ = reviews.build.measured()
    model = reviews.build.train(training, labels)
    texts = [*held_out, "", "I, a", "The plot, a joy! NOT dull; don't_know 3 films", "ÇA était"]
    given = reviews.answer(*texts)
    for expected, one in zip(reviews.build.expected(model, texts), given, strict=True):
        assert [pair["label"] for pair in one] == [pair["label"] for pair in expected]
        scores = [[pair["score"] for pair in pairs] for pairs in (one, expected)]
        np.testing.assert_allclose(*scores, atol=1e-5)


def test_a_review_is_answered_with_a_word(reviews: TaskExample) -> None:
    praise, blame = reviews.answer("The plot is not a mess.", "Do not bother.", top_k=1)
    assert [praise[0]["label"], blame[0]["label"]] == ["positive", "negative"]


def test_a_pair_of_texts_is_refused(reviews: TaskExample) -> None:
    with pytest.raises(InvalidInputs, match="input 1: a pair of texts given, one text expected"):
        reviews.answer("a", {"text": "b", "text_pair": "c"})


def test_half_a_character_is_refused(reviews: TaskExample) -> None:
    with pytest.raises(InvalidInputs, match="input 0: a text cannot be read"):
        reviews.answer("\ud800")


def test_golden_requests_hold_in_batches_of_several_lengths(reviews: TaskExample) -> None:
    assert reviews.check_golden() == [1, 2, 4, 8, 16, 32]
    assert "63 held-out reviews, all made up" in reviews.said


def test_building_twice_gives_the_same_bytes(reviews: TaskExample, tmp_path: Path) -> None:
    reviews.check_again(tmp_path)
    # In another process, too, where sets have another order.
    domains = [opset.domain for opset in onnx.load(reviews.folder / "model.onnx").opset_import]
    assert domains == sorted(domains)


def test_the_graph_needs_no_locale_that_lambda_lacks(reviews: TaskExample) -> None:
    assert locale_reasons(onnx.load(reviews.folder / "model.onnx"), "model.onnx") == []


def test_the_hubs_client_classifies_a_review(reviews: TaskExample, tmp_path: Path) -> None:
    with called_by_the_hub(reviews, tmp_path) as client:
        [best] = client.text_classification("The plot is not a mess.", top_k=1)
    [[expected]] = reviews.answer("The plot is not a mess.", top_k=1)
    assert (best.label, best.score) == (expected["label"], pytest.approx(expected["score"]))
