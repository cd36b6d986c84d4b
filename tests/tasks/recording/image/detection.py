"""Cases of ``object-detection``."""

from pathlib import Path
from typing import Any

import torch
import transformers

from tests.tasks.recording.case import seed
from tests.tasks.recording.image.files import ALPHA, LANDSCAPE, PORTRAIT, TURNED
from tests.tasks.recording.image.models import (
    ANIMALS,
    PIXELS,
    RESNET,
    ask,
    case_of,
    export,
    image_pipeline,
    spread,
)

DETR = {
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 24,
    "decoder_ffn_dim": 24,
    "num_queries": 9,
    "init_std": 0.3,
    "use_timm_backbone": False,
    "use_pretrained_backbone": False,
    "backbone": None,
    "id2label": ANIMALS,
}
SIDES = {"size": {"shortest_edge": 48, "longest_edge": 80}}
MASK = {"pixel_mask": {0: "batch", 1: "height", 2: "width"}}


def record(folder: Path) -> None:
    """Write a case for each way of scoring."""
    backbone = transformers.ResNetConfig(**RESNET, out_features=["stage2"])
    detr = transformers.DetrConfig(**DETR, backbone_config=backbone)
    write(folder, "image-detr", detr, transformers.DetrImageProcessorPil(**SIDES), masked=True)
    conditional = transformers.ConditionalDetrConfig(**DETR, backbone_config=backbone)
    processor = transformers.ConditionalDetrImageProcessorPil(**SIDES)
    write(folder, "image-conditional-detr", conditional, processor, masked=True)
    yolos = transformers.YolosConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=24,
        image_size=[48, 48],
        patch_size=16,
        num_detection_tokens=7,
        id2label=ANIMALS,
        initializer_range=0.3,
    )
    processor = transformers.YolosImageProcessorPil(size={"height": 48, "width": 48})
    write(folder, "image-yolos", yolos, processor, masked=False)


def write(folder: Path, name: str, config: Any, processor: Any, *, masked: bool) -> None:
    seed()
    model = spread(transformers.AutoModelForObjectDetection.from_config(config), 1.3).eval()
    if name == "image-detr":  # whose queries would all find nothing
        with torch.no_grad():
            model.class_labels_classifier.bias[-1] -= 5
    case = case_of(folder, name, "object-detection")
    case.save(model, processor)
    inputs = {"pixel_values": torch.rand(1, 3, 48, 48)}
    if masked:
        inputs["pixel_mask"] = torch.ones(1, 48, 48, dtype=torch.int64)
    export(case, model, inputs, ["logits", "pred_boxes"], {**PIXELS, **MASK} if masked else PIXELS)
    pipe = image_pipeline("object-detection", model, processor)
    ask(case, pipe, (PORTRAIT, LANDSCAPE, TURNED, ALPHA), threshold=0.6)
    ask(case, pipe, (TURNED,))
    ask(case, pipe, (LANDSCAPE,), threshold=0.85)
    case.write()
