from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serval.models.tensor import Array
from serval.tasks.files import TaskUnreadable
from serval.tasks.image.detect import ObjectDetection
from serval.tasks.image.letterbox import letterbox
from serval.tasks.image.yolo import find_layout
from serval.tasks.parameters import Parameters
from tests.fakes.images import files, graph, image

FIELD = (96, 64)
LABELS = ["ant", "bee", "cat"]
PLACES = 12 * 8 + 6 * 4 + 3 * 2


def boxes(count: int, seed: int) -> Array:
    """Return boxes [n, 4 + 1 + classes] that overlap: center, size, object, classes."""
    numbers = np.random.default_rng(seed)
    centers = numbers.integers(20, 50, (count, 2)) + numbers.random((count, 2))
    sizes = 10 + 20 * numbers.random((count, 2))
    return np.hstack([centers, sizes, numbers.random((count, 4))]).astype(np.float32)


def plain_loop(
    rows: Array, scores: Array, most_overlap: float, place: Any, threshold: float
) -> list[dict[str, Any]]:
    """Find boxes with nothing but loops: the reference."""
    found = []
    for row, each in zip(rows.tolist(), scores.tolist(), strict=True):
        x, y, width, height = row[:4]
        number = each.index(max(each))
        if each[number] > threshold:
            corners = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
            found.append((each[number], number, corners))
    kept: list[Any] = []
    for one in sorted(found, key=lambda box: -box[0]):
        if all(other[1] != one[1] or iou(one[2], other[2]) <= most_overlap for other in kept):
            kept.append(one)
    height, width = place.image
    answers = []
    for score, number, (left, top, right, bottom) in kept:
        across = [(side - place.left) / place.scale for side in (left, right)]
        down = [(side - place.top) / place.scale for side in (top, bottom)]
        box = {
            "xmin": round(min(max(across[0], 0), width)),
            "ymin": round(min(max(down[0], 0), height)),
            "xmax": round(min(max(across[1], 0), width)),
            "ymax": round(min(max(down[1], 0), height)),
        }
        answers.append({"score": pytest.approx(score), "label": LABELS[number], "box": box})
    return answers


def iou(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return width * height / (sum(areas) - width * height)


def detect(folder: Path, output: Array, sent: list[bytes], **options: Any) -> list[Any]:
    taken = graph({"images": (1, 3, *FIELD)}, {"output0": output.shape}, lambda images: [output])
    task = ObjectDetection.from_files(files(folder, labels=LABELS, **options), taken)
    return task.answer(sent, Parameters({"threshold": 0.3}))


@pytest.mark.parametrize("size", [(130, 70), (50, 211), (64, 96), (31, 33)])
def test_boxes_of_v8_equal_a_plain_loop(tmp_path: Path, size: tuple[int, int]) -> None:
    data = image(*size)
    place = letterbox(data, 0, FIELD, "RGB")[1]
    rows = boxes(PLACES, sum(size))
    output = np.delete(rows, 4, axis=1).T[None]
    expected = plain_loop(rows, rows[:, 5:], 0.7, place, 0.3)
    assert len(expected) > 10
    assert detect(tmp_path, output, [data]) == [expected]


@pytest.mark.parametrize("size", [(130, 70), (50, 211)])
def test_boxes_of_v5_equal_a_plain_loop(tmp_path: Path, size: tuple[int, int]) -> None:
    data = image(*size)
    place = letterbox(data, 0, FIELD, "RGB")[1]
    rows = boxes(3 * PLACES, sum(size))
    expected = plain_loop(rows, rows[:, 5:] * rows[:, 4:5], 0.45, place, 0.3)
    assert len(expected) > 5
    assert detect(tmp_path, rows[None], [data]) == [expected]


def test_boxes_of_a_graph_with_nms_are_only_moved_into_the_image(tmp_path: Path) -> None:
    rows = np.asarray(
        [[10, 20, 30, 40, 0.4, 2], [12, 22, 31, 41, 0.9, 0], [0, 0, 9, 9, 0.1, 1]], np.float32
    )
    found = detect(tmp_path, rows[None], [image(128, 192)])
    assert found == [
        [
            {
                "score": pytest.approx(0.9),
                "label": "ant",
                "box": {"xmin": 24, "ymin": 44, "xmax": 62, "ymax": 82},
            },
            {
                "score": pytest.approx(0.4),
                "label": "cat",
                "box": {"xmin": 20, "ymin": 40, "xmax": 60, "ymax": 80},
            },
        ]
    ]


def test_fewer_boxes_overlap_where_the_bundle_says_so(tmp_path: Path) -> None:
    output = np.delete(boxes(PLACES, 4), 4, axis=1).T[None]
    few, more = (detect(tmp_path, output, [image(64, 96)], iou=iou)[0] for iou in (0.1, 0.9))
    assert 0 < len(few) < len(more)


def test_each_image_of_a_call_has_its_own_boxes(tmp_path: Path) -> None:
    output = np.delete(boxes(PLACES, 4), 4, axis=1).T[None]
    sent = [image(64, 96), image(128, 96)]
    found = detect(tmp_path, output, sent)
    assert found == [detect(tmp_path, output, [one])[0] for one in sent]
    assert found[0] != found[1]


@pytest.mark.parametrize(
    ("shape", "field", "labels", "layout"),
    [
        ((1, 84, 8400), (640, 640), 0, "yolov8"),
        ((-1, 5, 8400), (640, 640), 1, "yolov8"),
        ((1, 25200, 85), (640, 640), 0, "yolov5"),
        ((1, 25200, 6), (640, 640), 1, "yolov5"),
        ((1, 300, 6), (640, 640), 80, "yolo-nms"),
        ((-1, -1, 6), (640, 640), 80, "yolo-nms"),
        ((-1, 84, -1), (640, 640), 80, "yolov8"),
        ((1, 84, 84), (64, 64), 80, "yolov8"),
        ((1, -1, -1), (640, 640), 80, None),
        ((1, 300), (640, 640), 80, None),
    ],
)
def test_the_layout_is_told_by_the_shape(
    shape: tuple[int, ...], field: tuple[int, int], labels: int, layout: str | None
) -> None:
    assert find_layout(shape, field, labels) == layout


def test_an_output_of_no_known_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TaskUnreadable, match=r"add 'layout:' under 'task:' in model.yaml, one of"):
        detect(tmp_path, np.zeros((1, 7), np.float32), [])


def test_an_image_lies_in_the_middle_of_a_gray_field() -> None:
    field, place = letterbox(image(64, 20), 0, FIELD, "RGB")
    assert field.shape == (96, 64, 3)
    assert (place.left, place.top, place.scale) == (0, 38, 1.0)
    assert (field[:38] == 114).all()
    assert (field[58:] == 114).all()
