"""Cases of ``image-classification``."""

from pathlib import Path
from typing import Any

import torch
import transformers

from tests.tasks.recording.case import seed
from tests.tasks.recording.image.files import ALL, LANDSCAPE, PORTRAIT, TURNED
from tests.tasks.recording.image.models import (
    ANIMALS,
    PIXELS,
    RESNET,
    SMALL_IMAGES,
    ask,
    case_of,
    export,
    image_pipeline,
    spread,
)

SHORTEST = {"size": {"shortest_edge": 32}}


def record(folder: Path) -> None:
    """Write a case for each family."""
    named = {"id2label": ANIMALS, "label2id": {name: key for key, name in ANIMALS.items()}}
    vit = transformers.ViTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=24,
        image_size=32,
        patch_size=8,
        initializer_range=0.4,
        **named,
    )
    resnet = transformers.ResNetConfig(**RESNET, **named, problem_type="multi_label_classification")
    convnext = transformers.ConvNextConfig(
        hidden_sizes=[8, 12], depths=[1, 1], num_stages=2, **named
    )
    write(folder, "image-vit", vit, transformers.ViTImageProcessorPil(**SMALL_IMAGES))
    write(folder, "image-resnet", resnet, transformers.ConvNextImageProcessorPil(**SHORTEST))
    write(folder, "image-convnext", convnext, transformers.ConvNextImageProcessorPil(**SHORTEST))


def write(folder: Path, name: str, config: Any, processor: Any) -> None:
    seed()
    model = transformers.AutoModelForImageClassification.from_config(config)
    model = spread(model, 1.0 if "vit" in name else 2.0).eval()
    case = case_of(folder, name, "image-classification")
    case.save(model, processor)
    export(case, model, {"pixel_values": torch.rand(1, 3, 32, 32)}, ["logits"], PIXELS)
    pipe = image_pipeline("image-classification", model, processor)
    ask(case, pipe, ALL)
    ask(case, pipe, (PORTRAIT, TURNED), top_k=2, function_to_apply="sigmoid")
    ask(case, pipe, (LANDSCAPE,), top_k=100, function_to_apply="none")
    case.write()
