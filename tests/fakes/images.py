"""Graphs of functions, and files of images, for tasks that take them."""

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from serval.models.signature import TensorSpec
from serval.models.tensor import Array, Tensor
from serval.tasks.files import TaskFiles
from serval.tasks.graph import TaskGraph
from serval.tasks.image.decode import FORMATS

Shapes = Mapping[str, tuple[int, ...]]


def graph(
    inputs: Shapes, outputs: Shapes, run: Callable[..., Sequence[Array]], datatype: str = "FP32"
) -> TaskGraph:
    """Make a graph of a function: arrays of the inputs by name in, arrays of the outputs out."""

    def run_tensors(tensors: Sequence[Tensor], wanted: Sequence[TensorSpec]) -> list[Tensor]:
        arrays = dict(
            zip(outputs, run(**{tensor.name: tensor.array for tensor in tensors}), strict=True)
        )
        return [Tensor(spec.name, spec.datatype, arrays[spec.name]) for spec in wanted]

    return TaskGraph(specs(inputs, datatype), specs(outputs), run_tensors)


def specs(shapes: Shapes, datatype: str = "FP32") -> dict[str, TensorSpec]:
    return {name: TensorSpec(name, datatype, shape) for name, shape in shapes.items()}


def files(folder: Path, **options: Any) -> TaskFiles:
    """Return a bundle without a further graph."""

    def none(path: Path) -> TaskGraph:
        raise FileNotFoundError(path)

    return TaskFiles(folder, none, options)


def image(width: int, height: int, mode: str = "RGB", kind: str = "PNG", **saved: Any) -> bytes:
    """Return the file of an image whose values rise along its rows."""
    channels = len(Image.new(mode, (1, 1)).getbands())
    values = np.arange(width * height * channels).reshape(height, width, channels) % 251
    stream = io.BytesIO()
    Image.fromarray(
        values.astype(np.uint8).squeeze(2) if channels == 1 else values.astype(np.uint8)
    ).save(stream, kind, **saved)
    return stream.getvalue()


def image_files() -> list[bytes]:
    """Return a file of each format that is read."""
    return [image(13, 9, kind=kind) for kind in FORMATS]
