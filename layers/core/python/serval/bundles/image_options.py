"""What ``task:`` in model.yaml may say of images."""

from typing import Annotated, Literal

from pydantic import Field

from serval.yaml_files import Section

Side = Annotated[int, Field(ge=1, le=10_000)]
Colours = Annotated[tuple[float, ...], Field(min_length=1, max_length=3, strict=False)]
Share = Annotated[float, Field(ge=0, le=1)]


class ImageOptions(Section):
    """How images are prepared where no preprocessor_config.json says it, and how boxes are read."""

    size: Side | Annotated[tuple[Side, Side], Field(strict=False)] | None = None
    """Height and width of images in pixels; a number is both. By default those of the graph."""
    mean: float | Colours | None = None
    """Subtracted from values that are rescaled: a number, or one for each channel."""
    std: float | Colours | None = None
    """Divides what ``mean`` was subtracted from: a number, or one for each channel."""
    rescale: Annotated[float, Field(gt=0)] | None = None
    """Factor of pixels from 0 to 255, by default 1/255; 1 for a graph that rescales them itself."""
    layout: Literal["yolov8", "yolov5", "yolo-nms"] | None = None
    """How a YOLO detector's output is laid out, where its shape leaves that open."""
    threshold: Share | None = None
    """The score that a detected object must exceed, by default 0.5."""
    iou: Share | None = None
    """The intersection over union from which a YOLO detector's boxes are one object."""
