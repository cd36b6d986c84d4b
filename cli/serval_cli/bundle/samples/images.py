"""Read an image as RGB or grey, scaled to the input's size; floats lie between 0 and 1."""

import importlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from serval.foreign import refusing
from serval.models.tensor import Array
from serval_cli.bundle.samples.fitting import Specs, only_input
from serval_cli.failures import CommandFailed

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"})
PIXELS = 224
"""Height and width if the model leaves them open."""
PREPARED = "prepare it as in training and give it as .npy"


def read_image(path: Path, inputs: Specs) -> dict[str, Array]:
    """Read an image as the only input of a model."""
    spec = only_input(path, inputs)
    layout = spec.shape[-3:]
    first = channels_first(layout)
    channels = layout[0 if first else -1] if len(spec.shape) in (3, 4) else None
    if channels not in (1, 3, -1):
        raise CommandFailed(
            f"{path}: input {spec.name!r} of shape {list(spec.shape)} is not an image: {PREPARED}"
        )
    high, wide = (PIXELS if e == -1 else e for e in (layout[1:] if first else layout[:2]))
    pixels = read_pixels(path, "L" if channels == 1 else "RGB", wide, high)
    if first:
        pixels = np.moveaxis(pixels, -1, 0)
    values = pixels if spec.datatype == "UINT8" else (pixels / 255).astype(np.float32)
    return {spec.name: values if len(spec.shape) == 3 else values[np.newaxis]}


def channels_first(layout: tuple[int, ...]) -> bool:
    """Return whether colours come first of three axes, which wins if both would fit."""
    return layout[0] in (1, 3) or layout[-1] not in (1, 3)


def read_pixels(path: Path, mode: str, wide: int, high: int) -> Array:
    """Read an image's pixels as height, width and channels."""
    if find_spec("PIL") is None:
        raise CommandFailed(f"{path}: `pip install pillow` reads images; or {PREPARED}")
    # Pillow is not a dependency of the CLI.
    pillow = importlib.import_module("PIL.Image")
    with (
        refusing(lambda said: CommandFailed(f"{path} is not an image: {said}")),
        pillow.open(path) as opened,
    ):
        found = opened.convert(mode).resize((wide, high))
    return np.asarray(found, np.uint8).reshape(high, wide, -1)
