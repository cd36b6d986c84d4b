"""YOLO detectors: how their outputs are laid out, and what is done where the graph has no NMS.

``yolov8`` (also v9, v11, v12): [1, 4 + classes, boxes], scores of each class. ``yolov5`` (also
v7): [1, boxes, 5 + classes], a score of there being an object, and scores of each class if there
is one. Both have centers, widths and heights. ``yolo-nms`` (v10, and exports with NMS inside):
[1, boxes, 6], corners, score, class. All in pixels of the graph's input.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from serval.models.tensor import Array
from serval.tasks.files import TaskFiles, TaskUnreadable
from serval.tasks.graph import TaskGraph
from serval.tasks.image.boxes import corners, name_boxes, suppress
from serval.tasks.image.graph_input import ImageInput, find_image_input
from serval.tasks.image.letterbox import letterbox
from serval.tasks.image.settings import read_number
from serval.tasks.image.sizes import Size, read_size
from serval.tasks.labels import read_labels

V8, V5, NMS = "yolov8", "yolov5", "yolo-nms"
LAYOUTS = (V8, V5, NMS)
OVERLAP = {V8: 0.7, V5: 0.45, NMS: 1.0}
"""Intersection over union from which two boxes are one object, unless ``iou`` says otherwise."""
MOST = 300
"""Boxes in an answer."""
STRIDES = (8, 16, 32)


@dataclass(frozen=True, slots=True)
class YoloDetector:
    """A graph with one output of boxes; options ``layout``, ``size``, ``rescale`` and ``iou``."""

    graph: TaskGraph
    input: ImageInput
    output: str
    field: Size
    layout: str
    labels: Sequence[str]
    most_overlap: float
    rescale: float
    """What pixels from 0 to 255 are multiplied by."""

    @classmethod
    def from_files(cls, files: TaskFiles, graph: TaskGraph) -> "YoloDetector":
        """Read the labels, and find out the layout by the shape of the output.

        Raises
        ------
        TaskUnreadable
            If the size of images or the layout cannot be told from the signature.
        """
        image_input = find_image_input(graph)
        field = image_input.size
        if field is None and "size" not in files.options:
            raise TaskUnreadable(
                "the graph leaves the size of images open: add 'size: [height, width]' under "
                "'task:' in model.yaml"
            )
        field = field or read_size(files.options["size"], "model.yaml: task: size")
        output = next(iter(graph.outputs.values()))
        named = files.options.get("labels") or files.json("config.json").get("id2label") or ()
        layout = files.options.get("layout") or find_layout(output.shape, field, len(named))
        if len(output.shape) != 3 or layout not in LAYOUTS:
            raise TaskUnreadable(
                f"the graph's output {output.name!r} has shape {list(output.shape)}, from which "
                "the layout of its boxes cannot be told: add 'layout:' under 'task:' in "
                f"model.yaml, one of {', '.join(LAYOUTS)}"
            )
        classes = {V8: output.shape[1] - 4, V5: output.shape[2] - 5, NMS: 0}[layout]
        return cls(
            graph,
            image_input,
            output.name,
            field,
            layout,
            read_labels(files, classes),
            float(files.options.get("iou", OVERLAP[layout])),
            read_number(files.options.get("rescale", image_input.rescale), "task: rescale"),
        )

    def detect(self, inputs: Sequence[Any], threshold: float) -> list[Any]:
        """Return the boxes of each image whose score is over the threshold, best first."""
        mode = "L" if self.input.channels == 1 else "RGB"
        laid = [letterbox(data, index, self.field, mode) for index, data in enumerate(inputs)]
        pixels = np.stack([image for image, _ in laid]) * np.float32(self.rescale)
        pixels = pixels.reshape(*pixels.shape[:3], self.input.channels)
        if not self.input.channels_last:
            pixels = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
        answers = []
        for row, (_, place) in zip(self._run(pixels), laid, strict=True):
            boxes, scores, classes = self._read(row, threshold)
            answers.append(name_boxes(np.rint(place.restore(boxes)), scores, classes, self.labels))
        return answers

    def _run(self, pixels: Array) -> Array:
        step = self.input.batch if self.input.batch > 0 else len(pixels)
        parts = [
            self.graph.run({self.input.name: pixels[start : start + step]}, [self.output])
            for start in range(0, len(pixels), max(1, step))
        ]
        return np.concatenate([part[self.output] for part in parts]).astype(np.float32)

    def _read(self, row: Array, threshold: float) -> tuple[Array, Array, Array]:
        """Return corners [n, 4], scores [n] and classes [n], best first."""
        if self.layout == NMS:
            row = row[row[:, 4] > threshold]
            row = row[np.argsort(-row[:, 4], kind="stable")][:MOST]
            return row[:, :4], row[:, 4], row[:, 5].astype(np.int64)
        rows = row.T if self.layout == V8 else row
        each = rows[:, 4:] if self.layout == V8 else rows[:, 5:] * rows[:, 4:5]
        scores, classes = each.max(axis=1), each.argmax(axis=1)
        over = scores > threshold
        boxes, scores, classes = corners(rows[over, :4]), scores[over], classes[over]
        kept = suppress(boxes, scores, classes, self.most_overlap, MOST)
        return boxes[kept], scores[kept], classes[kept]


def find_layout(shape: Sequence[int], field: Size, labels: int) -> str | None:
    """Find the layout of an output by its shape; None if it is none of them.

    The number of labels decides if it is known; else the number of places at which such a
    detector looks, which follows from the size of images; else the shorter axis.
    """
    if len(shape) != 3:
        return None
    _, middle, last = shape
    places = sum((field[0] // stride) * (field[1] // stride) for stride in STRIDES)
    if middle > 4 and (last == places or (labels and middle == labels + 4)):
        return V8
    if last > 5 and (middle == 3 * places or (labels > 1 and last == labels + 5)):
        return V5
    if last == 6:
        return NMS
    if middle < 5 or last < 1:
        return None
    return V8 if middle < last else V5
