"""Write the detector by hand, draw pictures for it, and export its bundle."""

import io
import sys
import time
from base64 import b64encode
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto
from PIL import Image, ImageDraw

sys.path.append(str(Path(__file__).resolve().parents[2]))  # the repository, wherever we start

from models import golden
from models.onnx_graph import Graph
from serval.models.tensor import Array

HERE = Path(__file__).resolve().parent
SEED = 0
SIDE, WINDOW = 256, 16
"""Pixels of the graph's square input, and the root of that."""
WIDTH, HEIGHT = 256, 192
"""Of a picture."""
WARM = 0.5
"""The brightness from which a pixel belongs to something."""
LEAST, MOST = 8, 20
"""Pixels of the shortest side that is found; the most that is found on a picture."""
PICTURES = 4
Truth = list[dict[str, Any]]


def export() -> onnx.ModelProto:
    """Write the graph: [1, 3, 256, 256] in, [1, 20, 6] out (corners, score, class).

    Whatever is bright has a corner at its upper left, where a convolution over the bright pixels
    sees one with none to its left and none above. From there the nearest dark pixel to the right
    and below says how large it is: upright is a person, lying an animal. The score is how bright
    the corner is.
    """
    graph = Graph()
    least, warm = graph.constant(np.float32([LEAST - 0.5])), graph.constant(np.float32([WARM]))
    gray = graph.node("Conv", "images", graph.constant(np.full((1, 3, 1, 1), 1 / 3, np.float32)))
    bright = graph.node("Greater", gray, warm)
    kernel = np.asarray([[0, -1, 0], [-1, 1, 0], [0, 0, 0]], np.float32)
    lit = graph.node("Cast", bright, to=TensorProto.FLOAT)
    edges = graph.node("Conv", lit, graph.constant(kernel[None, None]), pads=[1, 1, 1, 1])
    corner = graph.node("Greater", edges, warm)
    warmth = graph.node("AveragePool", gray, kernel_shape=[4, 4], pads=[0, 0, 3, 3])
    across = np.arange(SIDE, dtype=np.float32).reshape(1, 1, 1, SIDE)
    down = across.reshape(1, 1, SIDE, 1)
    right = next_dark(graph, bright, across, np.asarray([0, 1]))
    below = next_dark(graph, bright, down, np.asarray([1, 0]))
    wide = graph.node("Sub", right, graph.constant(across))
    high = graph.node("Sub", below, graph.constant(down))
    large = graph.node("Greater", graph.node("Min", wide, high), least)
    nothing = graph.constant(np.float32([0]))
    found = graph.node("Where", graph.node("And", corner, large), warmth, nothing)
    kind = graph.node("Cast", graph.node("Greater", wide, high), to=TensorProto.FLOAT)
    flat = graph.constant(np.asarray([1, -1], np.int64))
    count = graph.constant(np.asarray([MOST], np.int64))
    scores, places = graph.several("TopK", [graph.node("Reshape", found, flat), count], 2)
    side = graph.constant(np.asarray([SIDE], np.int64))
    upper_left = [
        graph.node("Cast", graph.node(of, places, side), to=TensorProto.FLOAT)
        for of in ("Mod", "Div")
    ]
    right, below, kind = (
        graph.node("GatherElements", graph.node("Reshape", each, flat), places, axis=1)
        for each in (right, below, kind)
    )
    last = graph.constant(np.asarray([2], np.int64))
    columns = [
        graph.node("Unsqueeze", each, last) for each in (*upper_left, right, below, scores, kind)
    ]
    boxes = graph.node("Concat", *columns, axis=2)
    images = ("images", TensorProto.FLOAT, [1, 3, SIDE, SIDE])
    return graph.model("camera", [images], [(boxes, ("boxes", TensorProto.FLOAT, [1, MOST, 6]))])


def next_dark(graph: Graph, bright: str, places: Array, axis: Array) -> str:
    """Find the place of the nearest dark pixel ahead of each; the field's end is dark.

    The first pool sees a window of 16 pixels, the second 16 of its windows.
    """
    end = np.float32(-SIDE)
    nearest = graph.node("Where", bright, graph.constant(end), graph.constant(-places))
    for step in (1, WINDOW):
        room = np.concatenate([[0] * 6, (WINDOW - 1) * step * axis])
        wider = graph.node("Pad", nearest, graph.constant(room), graph.constant(end))
        nearest = graph.node(
            "MaxPool",
            wider,
            kernel_shape=((WINDOW - 1) * axis + 1).tolist(),
            dilations=((step - 1) * axis + 1).tolist(),
        )
    return graph.node("Neg", nearest)


def draw(seed: int, most: int = 4) -> tuple[bytes, Truth]:
    """Draw a night with one to four that are warm, or fewer; return the JPEG and what is on it."""
    random = np.random.default_rng([SEED, seed])
    clouds = Image.fromarray(random.integers(10, 60, (HEIGHT // 16, WIDTH // 16), np.uint8), "L")
    picture = clouds.resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)
    pen = ImageDraw.Draw(picture)
    truth: Truth = []
    for column in random.permutation(4)[: random.integers(1, 5)][:most].tolist():
        person = bool(random.random() < 0.5)
        long, short = int(random.integers(30, 50)), int(random.integers(12, 24))
        width, height = (short, long) if person else (long, short)
        left = column * 64 + int(random.integers(4, 60 - width))
        top = int(random.integers(4, HEIGHT - height - 4))
        light = int(random.integers(170, 250))
        pen.rectangle((left, top, left + width - 1, top + height - 1), fill=light)
        box = {"xmin": left, "ymin": top, "xmax": left + width, "ymax": top + height}
        truth.append({"label": "person" if person else "animal", "score": light / 255, "box": box})
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=95)
    return file.getvalue(), sorted(truth, key=lambda one: -one["score"])


def golden_line(seed: int) -> bytes:
    """Write a drawn picture with what was drawn, the scores left to what JPEG makes of them."""
    picture, truth = draw(seed)
    answer = [{"label": one["label"], "box": one["box"]} for one in truth]
    return golden.task_line(b64encode(picture).decode(), answer)


def build(folder: Path = HERE) -> str:
    """Write the bundle's built files and a picture to try, and say what was made."""
    started = time.perf_counter()
    size = (folder / "model.onnx").write_bytes(export().SerializeToString())
    (folder / "golden.jsonl").write_bytes(b"".join(map(golden_line, range(PICTURES))))
    picture, truth = draw(PICTURES)
    (folder / "photo.jpg").write_bytes(picture)
    seen = ", ".join(f"{one['label']} {one['score']:.2f}" for one in truth)
    return (
        f"camera: written by hand, {PICTURES} drawn pictures in its golden requests, "
        f"{size / 1e3:.0f} kB, {time.perf_counter() - started:.2f} s; on photo.jpg: {seen}"
    )


if __name__ == "__main__":
    print(build())
