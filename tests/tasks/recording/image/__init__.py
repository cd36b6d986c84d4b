"""Cases of the tasks that take images."""

from pathlib import Path

from tests.tasks.recording.image import (
    captions,
    classification,
    detection,
    processors,
    segmentation,
    zero_shot,
)
from tests.tasks.recording.image.files import write_images


def record(folder: Path) -> None:
    """Write the images, then every case of the area, all of which take the same images."""
    write_images(folder / "images")
    processors.record(folder / "images")
    classification.record(folder)
    zero_shot.record(folder)
    detection.record(folder)
    segmentation.record(folder)
    captions.record(folder)
