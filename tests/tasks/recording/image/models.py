"""What the cases of images share."""

from pathlib import Path
from typing import Any

import transformers
from transformers.image_utils import load_image

from tests.tasks.recording.case import Case
from tests.tasks.recording.image.files import IMAGES, inputs
from tests.tasks.recording.slim import slim

ANIMALS = {0: "ant", 1: "bee", 2: "cat", 3: "dog", 4: "eel", 5: "fox", 6: "gnu"}
PIXELS = {"pixel_values": {0: "batch", 2: "height", 3: "width"}}
SMALL_IMAGES = {"size": {"height": 32, "width": 32}}
RESNET = {
    "embedding_size": 8,
    "hidden_sizes": [8, 12],
    "depths": [1, 1],
    "layer_type": "basic",
}


def load(case: Case, name: str) -> Any:
    """Open an image as pipelines do."""
    return load_image(str(case.folder / IMAGES / name))


def ask(case: Case, pipe: Any, names: tuple[str, ...], **parameters: Any) -> None:
    """Add a call, each of whose images the pipeline sees alone."""
    answers = [pipe(load(case, name), **parameters) for name in names]
    case.add(inputs(names), answers, **parameters)


def image_pipeline(task: str, model: Any, processor: Any, **others: Any) -> Any:
    return transformers.pipeline(task, model=model.eval(), image_processor=processor, **others)


def spread(model: Any, factor: float) -> Any:
    """Enlarge the weights of a model with random ones, whose answers would all be alike."""
    import torch

    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(factor)
    return model


def export(case: Case, *described: Any) -> None:
    """Export as ``Case.export`` does, without the long names inside, which outweigh the weights."""
    case.export(*described)
    slim(case.bundle)


def case_of(folder: Path, name: str, task: str) -> Case:
    return Case(folder / name, task)
