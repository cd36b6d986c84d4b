"""Save what an answer shows: boxes drawn on the image, masks, sound."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

from serval_cli.output import note

SUFFIXES = {"audio/wav": ".wav", "audio/x-wav": ".wav", "audio/flac": ".flac", "image/png": ".png"}
COLOURS = ("#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#008080", "#9a6324", "#000075")


def save_media(content: bytes, content_type: str, folder: Path, stem: str) -> dict[str, Any]:
    """Save an answer that is a file, and describe it."""
    kind = content_type.partition(";")[0].strip()
    path = free_path(folder, stem, SUFFIXES.get(kind, ".bin"))
    path.write_bytes(content)
    return {"file": str(path), "content_type": kind, "bytes": len(content)}


def save_pictures(answer: Any, image: Path | None, folder: Path) -> list[Path]:
    """Save what an answer shows of an image, and return the files."""
    found = [one for one in answer if isinstance(one, dict)] if isinstance(answer, list) else []
    if image is None or not found:
        return []
    if all(isinstance(one.get("box"), dict) for one in found):
        drawn = draw_boxes(image, found, folder)
        return [] if drawn is None else [drawn]
    return [
        save_mask(one, image, folder, number)
        for number, one in enumerate(found)
        if isinstance(one.get("mask"), str)
    ]


def draw_boxes(image: Path, found: Sequence[Mapping[str, Any]], folder: Path) -> Path | None:
    """Draw boxes with their labels on a copy of the image; None without Pillow."""
    if find_spec("PIL") is None:
        note("no boxes are drawn: `pip install pillow` installs what draws them")
        return None
    # Imported late: only a detection needs it.
    from PIL import Image, ImageDraw

    with Image.open(image) as opened:
        picture = opened.convert("RGB")
    pen = ImageDraw.Draw(picture)
    width = max(2, round(max(picture.size) / 300))
    labels = sorted({str(one["label"]) for one in found})
    for one in found:
        colour = COLOURS[labels.index(str(one["label"])) % len(COLOURS)]
        box = one["box"]
        corners = [box["xmin"], box["ymin"], box["xmax"], box["ymax"]]
        pen.rectangle(corners, outline=colour, width=width)
        said = f"{one['label']} {one['score']:.2f}"
        place = pen.textbbox((box["xmin"] + width, box["ymin"] + width), said)
        pen.rectangle(place, fill=colour)
        pen.text((place[0], place[1]), said, fill="white", anchor="lt")
    path = free_path(folder, f"{image.stem}-boxes", ".png")
    picture.save(path)
    return path


def save_mask(one: Mapping[str, Any], image: Path, folder: Path, number: int) -> Path:
    """Save the mask of a segment as the PNG that it is."""
    label = "".join(c if c.isalnum() else "-" for c in str(one.get("label") or number))
    path = free_path(folder, f"{image.stem}-{label}", ".png")
    try:
        path.write_bytes(base64.b64decode(one["mask"], validate=True))
    except binascii.Error:
        note(f"the mask of {label!r} is not base64, so {path} is not written")
    return path


def free_path(folder: Path, stem: str, suffix: str) -> Path:
    """Return a path that does not exist: nobody's file is overwritten."""
    folder.mkdir(parents=True, exist_ok=True)
    names = (stem if number == 1 else f"{stem}-{number}" for number in count(1))
    return next(path for name in names if not (path := folder / f"{name}{suffix}").exists())
