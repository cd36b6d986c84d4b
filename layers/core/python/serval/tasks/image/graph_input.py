"""The input of a graph that takes images: its name, layout, channels and size."""

from collections.abc import Mapping
from dataclasses import dataclass

from serval.models.signature import TensorSpec
from serval.tasks.files import TaskUnreadable
from serval.tasks.graph import TaskGraph
from serval.tasks.image.sizes import Size

PIXELS = "pixel_values"
CHANNELS = (1, 3)


@dataclass(frozen=True, slots=True)
class ImageInput:
    """Where a graph takes images."""

    name: str
    channels: int
    channels_last: bool
    """[batch, height, width, channels], as Keras has it; else [batch, channels, height, width]."""
    size: Size | None
    """Height and width, if the signature fixes both."""
    batch: int
    """Images in one run; below 1: any number."""
    rescale: float
    """What a graph expects pixels from 0 to 255 to be multiplied by, if nothing else is said: one
    that takes UINT8 rescales them itself."""


def find_image_input(graph: TaskGraph) -> ImageInput:
    """Find the input that takes images: ``pixel_values``, or the only one of four dimensions.

    Raises
    ------
    TaskUnreadable
        If there is none, or more than one.
    """
    spec = graph.inputs.get(PIXELS) or _only(graph.inputs)
    if len(spec.shape) != 4:
        raise TaskUnreadable(
            f"the graph's input {spec.name!r} has shape {list(spec.shape)}; one of images has 4 "
            "dimensions: [batch, channels, height, width] or [batch, height, width, channels]"
        )
    batch, *rest = spec.shape
    last = rest[0] not in CHANNELS and rest[2] in CHANNELS
    channels = rest[2] if last else rest[0]
    if channels > 0 and channels not in CHANNELS:
        raise TaskUnreadable(
            f"the graph's input {spec.name!r} has shape {list(spec.shape)}; images have 1 channel "
            "or 3"
        )
    height, width = rest[:2] if last else rest[1:]
    size = (height, width) if height > 0 and width > 0 else None
    rescale = 1.0 if spec.datatype == "UINT8" else 1 / 255
    return ImageInput(spec.name, channels if channels > 0 else 3, last, size, batch, rescale)


def _only(inputs: Mapping[str, TensorSpec]) -> TensorSpec:
    found = [spec for spec in inputs.values() if len(spec.shape) == 4]
    if len(found) != 1:
        listed = ", ".join(f"{spec.name!r} {list(spec.shape)}" for spec in inputs.values())
        raise TaskUnreadable(
            f"the graph has {len(found)} inputs of images, which have 4 dimensions, and 1 is "
            f"expected; its inputs are {listed}"
        )
    return found[0]
