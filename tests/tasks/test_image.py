"""Tasks that take images."""

import json
from typing import Any

import numpy as np
import pytest

from serval.models.signature import TensorSpec
from serval.tasks.files import TaskFiles
from serval.tasks.graph import TaskGraph
from serval.tasks.image.prepare import ImagePreparation
from tests.tasks.harness import RECORDED, RecordedCall, open_graph, recorded_calls

IMAGES = RECORDED / "images"
PROCESSORS = json.loads((IMAGES / "processors.json").read_text())
GRAPH = TaskGraph({"pixel_values": TensorSpec("pixel_values", "FP32", (-1, 3, -1, -1))}, {}, None)


@pytest.mark.parametrize("call", recorded_calls("image-classification"))
def test_an_image_gets_the_labels_of_the_original(call: RecordedCall) -> None:
    call.check()


@pytest.mark.parametrize("call", recorded_calls("zero-shot-image-classification"))
def test_labels_of_a_request_are_ranked_as_the_original_does(call: RecordedCall) -> None:
    call.check()


@pytest.mark.parametrize("call", recorded_calls("object-detection"))
def test_boxes_lie_where_the_original_finds_them(call: RecordedCall) -> None:
    call.check()


@pytest.mark.parametrize("call", recorded_calls("image-segmentation"))
def test_masks_cover_what_the_original_covers(call: RecordedCall) -> None:
    call.check()


@pytest.mark.parametrize(
    "kind", PROCESSORS, ids=lambda kind: kind["config"]["image_processor_type"]
)
def test_pixels_are_those_of_the_original_processor(kind: dict[str, Any], tmp_path) -> None:
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(kind["config"]))
    preparation = ImagePreparation.from_files(TaskFiles(tmp_path, open_graph), GRAPH)
    for name, expected in kind["images"].items():
        image = preparation.prepare((IMAGES / name).read_bytes(), 0)
        places = np.linspace(0, image.pixels.size - 1, len(expected["values"])).astype(int)
        assert image.pixels.shape == tuple(expected["shape"]), name
        np.testing.assert_allclose(
            image.pixels.reshape(-1)[places], expected["values"], rtol=2e-7, err_msg=name
        )
        mean = image.pixels.astype(np.float64).mean()
        assert mean == pytest.approx(expected["mean"], abs=1e-6), name


@pytest.mark.parametrize("call", recorded_calls("image-to-text"))
def test_an_image_becomes_the_text_of_the_original(call: RecordedCall) -> None:
    call.check()
