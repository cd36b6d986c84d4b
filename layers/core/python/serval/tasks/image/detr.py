"""Detectors that predict a set of boxes: DETR and what came of it.

Carion and others, "End-to-End Object Detection with Transformers" (2020); for those that score
each class by itself, Zhu and others, "Deformable DETR" (2020).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from serval.models.tensor import Array
from serval.tasks.files import TaskFiles, TaskUnreadable
from serval.tasks.graph import TaskGraph
from serval.tasks.image.boxes import corners, name_boxes
from serval.tasks.image.prepare import ImagePreparation
from serval.tasks.image.sizes import Size
from serval.tasks.labels import read_labels
from serval.tasks.scores import sigmoid, softmax

LOGITS, BOXES = "logits", "pred_boxes"
TOP = 100
"""Pairs of box and class that deformable detectors consider."""


@dataclass(frozen=True, slots=True)
class SetDetector:
    """Logits [queries, classes] and boxes [queries, 4] as parts of the image's sides."""

    graph: TaskGraph
    preparation: ImagePreparation
    labels: Sequence[str]
    no_object: bool
    """Whether the last class means that there is nothing, and the others share what is left."""
    pairs: int
    """Pairs of box and class considered; 0: as many as there are queries."""

    @classmethod
    def from_files(cls, files: TaskFiles, graph: TaskGraph) -> "SetDetector":
        """Read preprocessor and labels, whose number says whether there is a no-object class."""
        preparation = ImagePreparation.from_files(files, graph)
        classes = graph.outputs[LOGITS].shape[-1]
        labels = read_labels(files, 0 if _names_classes(files) else classes - 1)
        if classes > 0 and len(labels) not in (classes, classes - 1):
            raise TaskUnreadable(
                f"{len(labels)} labels, but the graph's output {LOGITS!r} has {classes} classes"
            )
        name = preparation.settings.processor
        no_object = name in ("Detr", "Yolos") if classes < 1 else len(labels) == classes - 1
        return cls(graph, preparation, labels, no_object, 0 if name == "RTDetr" else TOP)

    def detect(self, inputs: Sequence[Any], threshold: float) -> list[Any]:
        """Return the boxes of each image whose score is over the threshold."""
        found = self.preparation.run(self.graph, inputs, outputs=[LOGITS, BOXES])
        return [self._interpret(size, outputs, threshold) for size, outputs in found]

    def _interpret(self, size: Size, outputs: dict[str, Array], threshold: float) -> list[Any]:
        logits = outputs[LOGITS].astype(np.float32)
        height, width = size
        boxes = corners(outputs[BOXES].astype(np.float32))
        boxes *= np.asarray([width, height, width, height], np.float32)
        if self.no_object:
            each = softmax(logits)[:, :-1]
            classes, scores = each.argmax(axis=1), each.max(axis=1)
        else:
            flat = sigmoid(logits).reshape(-1)
            best = np.argsort(-flat, kind="stable")[: self.pairs or len(logits)]
            scores, classes, boxes = (
                flat[best],
                best % logits.shape[1],
                boxes[best // logits.shape[1]],
            )
        over = scores > threshold
        return name_boxes(np.trunc(boxes[over]), scores[over], classes[over], self.labels)


def _names_classes(files: TaskFiles) -> bool:
    return bool(files.options.get("labels") or files.json("config.json").get("id2label"))
