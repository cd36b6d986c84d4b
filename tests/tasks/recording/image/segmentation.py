"""Cases of ``image-segmentation``."""

from pathlib import Path
from typing import Any

import torch
import transformers

from tests.tasks.recording.case import Case, seed
from tests.tasks.recording.image.detection import SIDES
from tests.tasks.recording.image.files import LANDSCAPE, PORTRAIT, TURNED, inputs
from tests.tasks.recording.image.models import (
    ANIMALS,
    PIXELS,
    case_of,
    export,
    image_pipeline,
    load,
    spread,
)


def record(folder: Path) -> None:
    """Write a case of classes of pixels, and one of queries."""
    seed()
    config = transformers.SegformerConfig(
        num_encoder_blocks=2,
        depths=[1, 1],
        sr_ratios=[2, 1],
        hidden_sizes=[8, 12],
        patch_sizes=[7, 3],
        strides=[4, 2],
        num_attention_heads=[1, 2],
        mlp_ratios=[2, 2],
        decoder_hidden_size=12,
        id2label=ANIMALS,
        initializer_range=0.5,
    )
    model = transformers.SegformerForSemanticSegmentation(config).eval()
    processor = transformers.SegformerImageProcessorPil(size={"height": 40, "width": 48})
    case = case_of(folder, "image-segformer", "image-segmentation")
    case.save(model, processor)
    export(case, model, {"pixel_values": torch.rand(1, 3, 40, 48)}, ["logits"], PIXELS)
    pipe = image_pipeline("image-segmentation", model, processor)
    add(case, pipe, (PORTRAIT, LANDSCAPE, TURNED))
    add(case, pipe, (LANDSCAPE,), subtask="semantic")
    case.write()
    record_queries(folder)


class Queries(torch.nn.Module):
    """Nine queries with masks and classes, in place of a model too large for a case."""

    def __init__(self, scores: str, masks: str):
        super().__init__()
        self.names = scores, masks
        self.paint = torch.nn.Conv2d(3, 9, 5, stride=4, padding=2)
        self.judge = torch.nn.Linear(9, 9 * (len(ANIMALS) + 1))

    def forward(self, pixel_values: torch.Tensor) -> dict[str, torch.Tensor]:
        masks = self.paint(pixel_values)
        scores = self.judge(masks.mean((2, 3))).reshape(-1, 9, len(ANIMALS) + 1)
        return dict(zip(self.names, (scores, masks), strict=True))


def record_queries(folder: Path) -> None:
    """Write the cases of queries with masks."""
    mask_former = ("class_queries_logits", "masks_queries_logits")
    detr = transformers.DetrImageProcessorPil(**SIDES)
    write_queries(folder, "image-detr-masks", ("logits", "pred_masks"), detr)
    write_queries(
        folder,
        "image-maskformer",
        mask_former,
        transformers.MaskFormerImageProcessorPil(**SIDES, size_divisor=16),
    )
    write_queries(
        folder,
        "image-mask2former",
        mask_former,
        transformers.Mask2FormerImageProcessorPil(**SIDES, size_divisor=16),
    )


def write_queries(folder: Path, name: str, outputs: tuple[str, str], processor: Any) -> None:
    seed()
    model = spread(Queries(*outputs), 9.0).eval()
    case = case_of(folder, name, "image-segmentation")
    case.save(processor)
    case.write_json(case.bundle / "config.json", {"id2label": ANIMALS})
    export(case, model, {"pixel_values": torch.rand(1, 3, 48, 64)}, outputs, PIXELS)
    pipe = SegmentationOfQueries(model, processor)
    add(case, pipe, (PORTRAIT, LANDSCAPE), threshold=0.2, overlap_mask_area_threshold=0.1)
    if "former" not in name:
        add(case, pipe, (LANDSCAPE,), threshold=0.1, mask_threshold=0.2, subtask="instance")
    add(case, pipe, (TURNED,), subtask="semantic")
    add(case, pipe, (TURNED,), threshold=0.999)
    case.write()


class SegmentationOfQueries(transformers.ImageSegmentationPipeline):
    """The pipeline's own code, around something that is not one of its models."""

    def __init__(self, model: Queries, processor: Any):
        self.model = model
        self.model.config = transformers.DetrConfig(id2label=ANIMALS)
        self.image_processor = processor

    @property
    def dtype(self) -> torch.dtype:
        return torch.float32

    def __call__(self, image: Any, **parameters: Any) -> Any:
        prepare, _, read = self._sanitize_parameters(**parameters)
        inputs = self.preprocess(image, **prepare)
        with torch.no_grad():
            found = self.model(inputs["pixel_values"])
        outputs = transformers.utils.ModelOutput(**found, target_size=inputs["target_size"])
        return self.postprocess(outputs, **read)


def add(case: Case, pipe: Any, names: tuple[str, ...], **parameters: Any) -> None:
    """Add a call; masks become files beside it."""
    answers = []
    for name in names:
        answer = pipe(load(case, name), **parameters)
        for part in answer:
            path = case.folder / f"mask-{sum(1 for _ in case.folder.glob('mask-*'))}.png"
            part["mask"].save(path, optimize=True)
            part["mask"] = {"file": path.name}
        answers.append(answer)
    case.add(inputs(names), answers, **parameters)
