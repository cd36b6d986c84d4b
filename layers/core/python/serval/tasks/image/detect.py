"""``object-detection``: what is on an image, and where."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from serval.tasks.files import TaskFiles
from serval.tasks.graph import TaskGraph
from serval.tasks.image.detr import BOXES, SetDetector
from serval.tasks.image.yolo import YoloDetector
from serval.tasks.parameter_rules import known_parameters
from serval.tasks.parameters import Parameters
from serval.tasks.task import InputKind

THRESHOLD = 0.5


class Detector(Protocol):
    """A family of detectors."""

    def detect(self, inputs: Sequence[Any], threshold: float) -> list[Any]:
        """Return the boxes of each image whose score is over the threshold."""


@dataclass(frozen=True, slots=True)
class ObjectDetection:
    """A detector: logits and pred_boxes as DETR has them, or the one output of a YOLO."""

    takes: ClassVar[InputKind] = "image"
    accepts: ClassVar[frozenset[str]] = known_parameters("object-detection")
    answers_in_list: ClassVar[bool] = False

    detector: Detector
    threshold: float
    """The score that a box must exceed, unless a request says otherwise."""

    @classmethod
    def from_files(cls, files: TaskFiles, graph: TaskGraph) -> "ObjectDetection":
        """Choose the family by the graph's outputs."""
        family = SetDetector if BOXES in graph.outputs else YoloDetector
        return cls(
            family.from_files(files, graph), float(files.options.get("threshold", THRESHOLD))
        )

    def answer(self, inputs: Sequence[Any], parameters: Parameters) -> list[Any]:
        """Return ``[{"score", "label", "box": {"xmin", "ymin", "xmax", "ymax"}}, …]`` for each.

        Boxes are in pixels of the image that was sent, turned upright.
        """
        threshold = parameters.number("threshold", self.threshold, most=1.0)
        return self.detector.detect(inputs, threshold)
