import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serval.errors import InvalidInputs
from serval.models.tensor import Array
from serval.tasks.files import TaskUnreadable
from serval.tasks.graph import TaskGraph
from serval.tasks.image.decode import decode_image
from serval.tasks.image.prepare import ImagePreparation
from tests.fakes.images import files, graph, image


def taking(*shape: int, output: str = "logits") -> TaskGraph:
    return graph({"x": shape}, {output: (-1, 2)}, lambda x: [x.reshape(len(x), -1)[:, :2]])


def prepare(folder: Path, taken: TaskGraph, data: bytes, **options: Any) -> Array:
    return ImagePreparation.from_files(files(folder, **options), taken).prepare(data, 0).pixels


def preprocessor(folder: Path, **config: Any) -> None:
    (folder / "preprocessor_config.json").write_text(json.dumps(config))


def test_without_a_preprocessor_the_signature_says_the_size(tmp_path: Path) -> None:
    pixels = prepare(tmp_path, taking(-1, 3, 24, 32), image(64, 24))
    assert (pixels.shape, pixels.dtype) == ((3, 24, 32), np.float32)
    assert 0 <= pixels.min() <= pixels.max() <= 1


def test_a_graph_of_keras_gets_its_channels_last(tmp_path: Path) -> None:
    first = prepare(tmp_path, taking(-1, 3, 24, 32), image(64, 24))
    last = prepare(tmp_path, taking(-1, 24, 32, 3), image(64, 24))
    np.testing.assert_array_equal(last, first.transpose(1, 2, 0))


def test_a_graph_that_takes_bytes_gets_them_as_they_are(tmp_path: Path) -> None:
    seen: list[Array] = []
    shapes = {"x": (-1, 8, 8, 3)}, {"logits": (-1, 1)}
    taken = graph(*shapes, lambda x: seen.append(x) or [x[:, :1, 0, 0]], datatype="UINT8")
    data = image(8, 8)
    ImagePreparation.from_files(files(tmp_path), taken).run(taken, [data])
    assert seen[0].dtype == np.uint8
    np.testing.assert_array_equal(seen[0][0], np.asarray(decode_image(data, 0)))


def test_a_graph_of_one_channel_gets_gray(tmp_path: Path) -> None:
    assert prepare(tmp_path, taking(-1, 1, 28, 28), image(40, 40)).shape == (1, 28, 28)


def test_options_of_the_task_set_colours(tmp_path: Path) -> None:
    plain = prepare(tmp_path, taking(-1, 3, 8, 8), image(8, 8))
    options = {"mean": [0.5, 0.4, 0.3], "std": 0.5}
    normal = prepare(tmp_path, taking(-1, 3, 8, 8), image(8, 8), **options)
    mean = np.asarray(options["mean"], np.float32)[:, None, None]
    np.testing.assert_allclose(normal, (plain - mean) / 0.5, rtol=1e-5, atol=1e-6)
    bytes_ = prepare(tmp_path, taking(-1, 3, 8, 8), image(8, 8), rescale=1)
    np.testing.assert_array_equal(bytes_, np.rint(plain * 255))


def test_the_size_must_be_said_somewhere(tmp_path: Path) -> None:
    with pytest.raises(TaskUnreadable, match=r"add 'size: \[height, width\]' under 'task:'"):
        prepare(tmp_path, taking(-1, 3, -1, -1), image(8, 8))
    assert prepare(tmp_path, taking(-1, 3, -1, -1), image(8, 8), size=[5, 6]).shape == (3, 5, 6)


def test_a_preprocessor_that_contradicts_the_graph_is_refused(tmp_path: Path) -> None:
    preprocessor(tmp_path, image_processor_type="ViTImageProcessor")
    with pytest.raises(TaskUnreadable, match="prepared as 224 x 224, but the graph's input 'x' ta"):
        prepare(tmp_path, taking(-1, 3, 32, 32), image(8, 8))


def test_an_unknown_processor_is_refused(tmp_path: Path) -> None:
    preprocessor(tmp_path, image_processor_type="SamImageProcessor")
    with pytest.raises(TaskUnreadable, match="SamImageProcessor is none of the image processors"):
        prepare(tmp_path, taking(-1, 3, -1, -1), image(8, 8))


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"size": "large"}, "size: 'large' found"),
        ({"size": {"longest_edge": 4}}, "shortest_edge, or max_height and max_width expected"),
        ({"size": 4, "image_std": [0, 1, 1], "image_mean": [0, 0, 0]}, "no number divides by 0"),
        ({"size": 4, "image_std": [1, 1], "image_mean": [0, 0]}, "3 channels"),
        ({"size": 4, "resample": "best"}, "resample: 'best' found"),
        ({"size": 4, "rescale_factor": "1/255"}, "rescale_factor: '1/255' found"),
    ],
)
def test_an_impossible_setting_names_its_key(tmp_path: Path, config: Any, said: str) -> None:
    preprocessor(tmp_path, do_normalize="image_mean" in config, **config)
    with pytest.raises(TaskUnreadable, match=said):
        prepare(tmp_path, taking(-1, 3, -1, -1), image(8, 8))


def test_an_old_config_has_numbers_for_sizes(tmp_path: Path) -> None:
    preprocessor(tmp_path, feature_extractor_type="CLIPFeatureExtractor", size=16, crop_size=12)
    assert prepare(tmp_path, taking(-1, 3, -1, -1), image(20, 31)).shape == (3, 12, 12)


def test_a_strip_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    preprocessor(tmp_path, image_processor_type="ViTImageProcessor", size={"shortest_edge": 224})
    with pytest.raises(InvalidInputs, match="an image of 1 x 30000 is too narrow"):
        prepare(tmp_path, taking(-1, 3, -1, -1), image(1, 30_000))


def test_a_strip_whose_side_would_vanish_is_refused(tmp_path: Path) -> None:
    size = {"shortest_edge": 40, "longest_edge": 60}
    preprocessor(tmp_path, image_processor_type="DetrImageProcessor", size=size)
    with pytest.raises(InvalidInputs, match="an image of 3000 x 1 is too narrow"):
        prepare(tmp_path, taking(-1, 3, -1, -1), image(3_000, 1))


def test_images_of_one_size_run_together_and_answers_keep_their_order(tmp_path: Path) -> None:
    preprocessor(tmp_path, image_processor_type="ViTImageProcessor", size={"shortest_edge": 8})
    runs: list[tuple[int, ...]] = []

    def run(x: Array) -> list[Array]:
        runs.append(x.shape)
        return [x.mean(axis=(1, 2, 3))[:, None]]

    taken = graph({"x": (-1, 3, -1, -1)}, {"logits": (-1, 1)}, run)
    preparation = ImagePreparation.from_files(files(tmp_path), taken)
    sent = [image(8, 16), image(16, 8), image(8, 16, "L")]
    found = preparation.run(taken, sent)
    assert sorted(runs) == [(1, 3, 8, 16), (2, 3, 16, 8)]
    assert [size for size, _ in found] == [(16, 8), (8, 16), (16, 8)]
    alone = [preparation.run(taken, [one])[0][1]["logits"] for one in sent]
    np.testing.assert_allclose([outputs["logits"] for _, outputs in found], alone, rtol=1e-6)


def test_a_graph_of_single_images_runs_each_alone(tmp_path: Path) -> None:
    runs: list[int] = []

    def run(x: Array) -> list[Array]:
        runs.append(len(x))
        return [np.zeros((1, 2), np.float32)]

    taken = graph({"x": (1, 3, 8, 8)}, {"logits": (1, 2)}, run)
    ImagePreparation.from_files(files(tmp_path), taken).run(taken, [image(9, 9)] * 3)
    assert runs == [1, 1, 1]


@pytest.mark.parametrize("shape", [(-1, 10), (-1, 4, 8, 8)])
def test_a_graph_that_takes_no_images_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(TaskUnreadable, match=r"images, which have 4 dim|images have 1 channel"):
        prepare(tmp_path, taking(*shape), image(8, 8))
