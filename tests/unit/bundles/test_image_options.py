import pytest

from serval.bundles.bundle import read_bundle
from serval.errors import BundleRefused

BUNDLE = "name: m\nartifact: model.onnx\ntask: {{name: object-detection, {}}}\n"


def test_a_bundle_says_how_its_images_are_prepared() -> None:
    keys = "size: [640, 480], mean: 0.5, std: [1, 2, 3], rescale: 1, layout: yolov5, iou: 0.4"
    task = read_bundle(BUNDLE.format(keys).encode()).task
    assert task is not None
    assert (task.size, task.mean, task.std, task.rescale) == ((640, 480), 0.5, (1, 2, 3), 1)
    assert (task.layout, task.iou, task.threshold) == ("yolov5", 0.4, None)


@pytest.mark.parametrize(
    "key", ["size: 0", "size: [1, 2, 3]", "mean: [a]", "layout: yolo", "threshold: 2", "rescale: 0"]
)
def test_an_impossible_option_names_its_key(key: str) -> None:
    with pytest.raises(BundleRefused, match=rf"model.yaml: task.{key.split(':')[0]}"):
        read_bundle(BUNDLE.format(key).encode())
