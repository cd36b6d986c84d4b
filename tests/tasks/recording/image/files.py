"""Images of every kind that people send: odd sizes, upright and wide, gray, palette, turned."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

IMAGES = "../images"
"""Where they lie, as a case sees it."""
PORTRAIT, LANDSCAPE, TURNED = "portrait.jpg", "landscape.png", "turned.jpg"
GRAY, PALETTE, ALPHA, SMALL = "gray.png", "palette.png", "alpha.webp", "small.gif"
CMYK, DEEP, STRIP, PLAIN = "cmyk.jpg", "deep.png", "strip.tiff", "plain.bmp"
ALL = (PORTRAIT, LANDSCAPE, TURNED, GRAY, PALETTE, ALPHA, SMALL, CMYK, DEEP, STRIP, PLAIN)
ORIENTATION = 0x0112
"""EXIF's tag of how a camera was held."""


def inputs(names: Sequence[str]) -> list[Any]:
    """Return images as answers.json has them."""
    return [{"file": f"{IMAGES}/{name}"} for name in names]


def write_images(folder: Path) -> None:
    """Write them all, the same each time."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers = np.random.default_rng(5)

    def scene(width: int, height: int, mode: str = "RGB") -> Image.Image:
        coarse = numbers.integers(0, 256, (5, 6, len(mode)), np.uint8)
        image = Image.fromarray(coarse.squeeze(), mode if mode != "L" else None)
        return image.resize((width, height), Image.Resampling.BICUBIC)

    scene(53, 90).save(folder / PORTRAIT, quality=88)
    scene(97, 61).save(folder / LANDSCAPE)
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    scene(84, 47).save(folder / TURNED, quality=80, exif=exif)
    scene(70, 71, "L").save(folder / GRAY)
    scene(45, 66).quantize(16).save(folder / PALETTE, transparency=bytes([0, 128, *[255] * 14]))
    scene(63, 38, "RGBA").save(folder / ALPHA, lossless=True)
    scene(19, 25).save(folder / SMALL)
    scene(50, 41, "CMYK").save(folder / CMYK, quality=85)
    deep = np.linspace(0, 700, 33 * 48).reshape(33, 48).astype(np.uint16)
    Image.fromarray(deep).save(folder / DEEP)
    scene(120, 21).save(folder / STRIP, compression="tiff_deflate")
    scene(31, 30).save(folder / PLAIN)
