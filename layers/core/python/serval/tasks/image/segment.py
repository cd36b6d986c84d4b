"""``image-segmentation``: which pixels of an image belong to what."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from serval.models.tensor import Array
from serval.tasks.files import TaskFiles, TaskUnreadable
from serval.tasks.graph import TaskGraph
from serval.tasks.image.masks import BestMap, best_map, enlarge, png_text
from serval.tasks.image.prepare import ImagePreparation
from serval.tasks.image.queries import MASKS, find_segments, semantic_maps
from serval.tasks.labels import read_labels
from serval.tasks.parameter_rules import known_parameters
from serval.tasks.parameters import Parameters
from serval.tasks.task import InputKind

SEMANTIC, PANOPTIC, INSTANCE = "semantic", "panoptic", "instance"
MASK2FORMER_SIZE = (384, 384)


@dataclass(frozen=True, slots=True)
class ImageSegmentation:
    """A segmenter: logits [batch, classes, h, w], or queries with a class and a mask each.

    Of the first kind are SegFormer, UPerNet, BEiT and MobileViT; of the second DETR, MaskFormer
    and Mask2Former.
    """

    takes: ClassVar[InputKind] = "image"
    accepts: ClassVar[frozenset[str]] = known_parameters("image-segmentation")
    answers_in_list: ClassVar[bool] = False

    graph: TaskGraph
    preparation: ImagePreparation
    scores: str
    """Output of the class scores, of pixels or of queries."""
    masks: str | None
    """Output of the queries' masks."""
    labels: Sequence[str]

    @classmethod
    def from_files(cls, files: TaskFiles, graph: TaskGraph) -> "ImageSegmentation":
        """Read preprocessor and labels, and find the outputs.

        Raises
        ------
        TaskUnreadable
            If the outputs are not those of a segmenter.
        """
        preparation = ImagePreparation.from_files(files, graph)
        for scores, masks in MASKS:
            if scores in graph.outputs and masks in graph.outputs:
                labels = read_labels(files, graph.outputs[scores].shape[-1] - 1)
                return cls(graph, preparation, scores, masks, labels)
        output = graph.outputs.get("logits") or next(iter(graph.outputs.values()))
        if len(output.shape) != 4:
            raise TaskUnreadable(
                f"the graph's output {output.name!r} has shape {list(output.shape)}; that of a "
                "segmentation is [batch, classes, height, width]"
            )
        return cls(graph, preparation, output.name, None, read_labels(files, output.shape[1]))

    def answer(self, inputs: Sequence[Any], parameters: Parameters) -> list[Any]:
        """Return ``[{"score", "label", "mask"}, …]`` for each image.

        A mask is the base64 of a gray PNG in the size of the image that was sent, turned upright.
        Semantic segments have no score, which is null.
        """
        semantic = self._subtask(parameters) == SEMANTIC
        threshold = parameters.number("threshold", 0.9, most=1.0)
        mask_threshold = parameters.number("mask_threshold", 0.5, most=1.0)
        least_share = parameters.number("overlap_mask_area_threshold", 0.5, most=1.0)
        names = [self.scores, *([self.masks] if self.masks else [])]
        answers = []
        for size, outputs in self.preparation.run(self.graph, inputs, outputs=names):
            scores = outputs[self.scores].astype(np.float32)
            if not self.masks:
                answers.append(self._name_classes(best_map(scores, size)))
                continue
            masks = self._masks(outputs[self.masks])
            if semantic:
                answers.append(self._name_classes(best_map(semantic_maps(scores, masks), size)))
                continue
            answers.append(
                [
                    {"score": score, "label": self.labels[number], "mask": png_text(mask)}
                    for number, score, mask in find_segments(
                        scores, masks, size, threshold, mask_threshold, least_share
                    )
                ]
            )
        return answers

    def _subtask(self, parameters: Parameters) -> str:
        """Return what is asked for: of queries panoptic segments unless it is said otherwise."""
        if not self.masks:
            return parameters.choice("subtask", SEMANTIC, [SEMANTIC])
        choices = [PANOPTIC, SEMANTIC]
        if self.masks == "pred_masks":  # whose instances are its panoptic segments
            choices.append(INSTANCE)
        return parameters.choice("subtask", PANOPTIC, choices)

    def _masks(self, masks: Array) -> Array:
        """Return the queries' masks; Mask2Former's in the size to which its original brings all."""
        masks = masks.astype(np.float32)
        if self.preparation.settings.processor != "Mask2Former":
            return masks
        whole = slice(0, MASK2FORMER_SIZE[0])
        return np.stack([enlarge(mask, MASK2FORMER_SIZE, whole) for mask in masks])

    def _name_classes(self, found: BestMap) -> list[dict[str, Any]]:
        return [
            {"score": None, "label": self.labels[number], "mask": png_text(found.winners == number)}
            for number in np.unique(found.winners)
        ]
