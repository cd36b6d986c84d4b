import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from serval.errors import InvalidParameter
from serval.tasks.files import TaskUnreadable
from serval.tasks.image.classify import ImageClassification
from serval.tasks.image.segment import ImageSegmentation
from serval.tasks.image.zero_shot import ZeroShotImageClassification
from serval.tasks.parameters import Parameters
from tests.fakes.images import files, graph, image
from tests.tasks.harness import open_case


def classifier(folder: Path, **options: Any) -> ImageClassification:
    taken = graph(
        {"x": (-1, 8, 8, 3)},
        {"probabilities": (-1, 3)},
        lambda x: [np.tile(np.asarray([[0.2, 0.7, 0.1]], np.float32), (len(x), 1))],
    )
    return ImageClassification.from_files(files(folder, **options), taken)


def test_a_graph_that_ends_in_a_softmax_keeps_its_scores(tmp_path: Path) -> None:
    task = classifier(tmp_path, labels=["a", "b", "c"], function_to_apply="none")
    assert task.answer([image(9, 8)], Parameters({"top_k": 2})) == [
        [
            {"label": "b", "score": pytest.approx(0.7)},
            {"label": "a", "score": pytest.approx(0.2)},
        ]
    ]


def test_an_unknown_parameter_names_those_that_there_are(tmp_path: Path) -> None:
    task = classifier(tmp_path)
    with pytest.raises(InvalidParameter, match="'k': 3 given, one of: function_to_apply, top_k"):
        Parameters({"k": 3}).expect(task.accepts)


@pytest.mark.parametrize("value", [0, -1, 2.5, "3", True])
def test_top_k_is_a_number_of_labels(tmp_path: Path, value: Any) -> None:
    with pytest.raises(InvalidParameter, match="'top_k': "):
        classifier(tmp_path).answer([image(9, 8)], Parameters({"top_k": value}))


def test_labels_must_be_as_many_as_classes(tmp_path: Path) -> None:
    with pytest.raises(TaskUnreadable, match="2 labels, but the graph has 3 classes"):
        classifier(tmp_path, labels=["a", "b"])


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({}, "'candidate_labels' is missing: a list of labels expected"),
        ({"candidate_labels": []}, "a list of labels expected"),
        ({"candidate_labels": [1]}, "'candidate_labels': "),
        ({"candidate_labels": ["a"], "hypothesis_template": "a"}, "a text with {} for the label"),
    ],
)
def test_labels_to_choose_from_must_be_sent(parameters: Any, said: str) -> None:
    with pytest.raises(InvalidParameter, match=said):
        open_case("image-clip").answer([image(9, 9)], Parameters(parameters))


def test_a_template_reaches_no_attributes_of_a_label() -> None:
    labels = {"candidate_labels": ["a", "b"], "hypothesis_template": "{0.__class__} {}"}
    assert len(open_case("image-clip").answer([image(9, 9)], Parameters(labels))[0]) == 2


def test_a_graph_that_compares_nothing_with_texts_is_refused(tmp_path: Path) -> None:
    taken = graph({"x": (-1, 3, 8, 8)}, {"logits": (-1, 3)}, lambda x: [x])
    with pytest.raises(TaskUnreadable, match="no output 'logits_per_image'"):
        ZeroShotImageClassification.from_files(files(tmp_path), taken)


def test_a_mask_has_the_size_of_the_image_that_was_sent(tmp_path: Path) -> None:
    taken = graph(
        {"x": (-1, 3, 8, 8)},
        {"logits": (-1, 2, 2, 2)},
        lambda x: [np.asarray([[[[1, 0], [1, 0]], [[0, 1], [0, 1]]]], np.float32)],
    )
    task = ImageSegmentation.from_files(files(tmp_path, labels=["left", "right"]), taken)
    (found,) = task.answer([image(31, 20)], Parameters())
    masks = {
        part["label"]: np.asarray(Image.open(io.BytesIO(base64.b64decode(part["mask"]))))
        for part in found
    }
    assert [part["score"] for part in found] == [None, None]
    assert masks["left"].shape == masks["right"].shape == (20, 31)
    assert (masks["left"][:, :15] == 255).all()
    assert (masks["left"] + masks["right"] == 255).all()


def test_a_segmenter_of_classes_finds_no_instances() -> None:
    with pytest.raises(InvalidParameter, match="'subtask': 'instance' given, one of: semantic"):
        open_case("image-segformer").answer([], Parameters({"subtask": "instance"}))
