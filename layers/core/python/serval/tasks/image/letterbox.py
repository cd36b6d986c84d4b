"""Images as YOLO detectors take them: whole, in the middle of a gray field."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from serval.models.tensor import Array
from serval.tasks.image.decode import decode_image
from serval.tasks.image.sizes import Size, check_size

GRAY = 114
"""The level of the field around an image, as these detectors are trained."""


@dataclass(frozen=True, slots=True)
class Letterbox:
    """Where an image of another size lies in the field."""

    image: Size
    scale: float
    left: int
    top: int

    def restore(self, boxes: Array) -> Array:
        """Turn corners [n, 4] in the field into corners in pixels of the image, within it."""
        height, width = self.image
        offset = np.asarray([self.left, self.top] * 2, np.float32)
        limit = np.asarray([width, height] * 2, np.float32)
        result: Array = ((boxes - offset) / np.float32(self.scale)).clip(0, limit)
        return result


def fit(image: Size, field: Size) -> tuple[Letterbox, Size]:
    """Return where an image lies in the field, and the size that it has there."""
    scale = min(field[0] / image[0], field[1] / image[1])
    height, width = round(image[0] * scale), round(image[1] * scale)
    # Of an odd pixel, the right and the bottom edge have the larger part.
    left, top = round((field[1] - width) / 2 - 0.1), round((field[0] - height) / 2 - 0.1)
    return Letterbox(image, scale, left, top), (height, width)


def letterbox(data: Any, index: int, field: Size, mode: str) -> tuple[Array, Letterbox]:
    """Decode an image and lay it into the field: UINT8 [height, width] or [height, width, 3].

    The image is scaled by plain bilinear interpolation of four neighbours, which these detectors
    have seen in training, and not by Pillow's ``resize``, which averages when it makes smaller.

    Raises
    ------
    InvalidInputs
        If it is not an image, too large or too narrow.
    """
    image = decode_image(data, index, mode)
    place, (height, width) = fit((image.height, image.width), field)
    check_size((height, width), index, place.image)
    across, down = image.width / width, image.height / height
    scaled = image.transform(
        (width, height),
        Image.Transform.AFFINE,
        (across, 0.0, 0.0, 0.0, down, 0.0),
        Image.Resampling.BILINEAR,
    )
    canvas = Image.new(mode, (field[1], field[0]), GRAY if mode == "L" else (GRAY,) * 3)
    canvas.paste(scaled, (place.left, place.top))
    return np.asarray(canvas), place
