"""Write golden requests for the gate: drawn pictures, whose truth is known."""

import io
import sys
from base64 import b64encode
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.append(str(Path(__file__).resolve().parents[3]))  # the repository, wherever we start

from models import golden
from models.camera.build import Truth, draw

HERE = Path(__file__).resolve().parent
PICTURES = 8
CORNER = 4
"""Pixels of the side of that part of a box by which the camera scores it."""


def certainty(picture: bytes, truth: Truth) -> float:
    """Return the score of the surest person: how bright its box begins."""
    pixels = np.asarray(Image.open(io.BytesIO(picture)).convert("L"))
    corners = [
        (one["box"]["ymin"], one["box"]["xmin"]) for one in truth if one["label"] == "person"
    ]
    bright = [
        float(pixels[top : top + CORNER, left : left + CORNER].mean()) for top, left in corners
    ]
    return max(bright, default=0.0) / 255


def build(folder: Path = HERE) -> str:
    """Write the golden requests, the last of them a picture of nothing."""
    lines, hidden = [], 0
    for picture, truth in (*map(draw, range(PICTURES)), draw(PICTURES, most=0)):
        person = certainty(picture, truth)
        labels = [{"label": "hidden", "score": person}, {"label": "shown", "score": 1 - person}]
        labels.sort(key=lambda one: -float(one["score"]))
        lines.append(golden.task_line(b64encode(picture).decode(), labels))
        hidden += labels[0]["label"] == "hidden"
    (folder / "golden.jsonl").write_bytes(b"".join(lines))
    return f"gate: {len(lines)} golden requests, of which {hidden} are hidden"


if __name__ == "__main__":
    print(build())
