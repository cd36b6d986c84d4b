"""Inputs made up from a signature, and batches made of inputs."""

import math
import re
from collections.abc import Sequence

import numpy as np

from serval.signatures import Signature, TensorSpec
from serval.tensors import DATATYPES, Array, Tensor

STEP = (5**0.5 - 1) / 2
"""Multiples of the golden ratio, without their whole part, spread evenly over 0 to 1."""
OPEN_EXTENTS = (1, 16, 64, 224)
"""Tried in turn where the signature leaves a dimension other than the first one open."""
SEQUENCE = 16
"""Length of token ids, their masks, and whatever else goes along with them."""
CHANNELS, PIXELS = 3, 224
CACHE = re.compile(r"past|cache", re.IGNORECASE)
"""In the names of what a decoder keeps of earlier steps: at first, nothing."""


def samples(signature: Signature) -> list[list[Tensor]]:
    """Give inputs of one row to try; more than one if extents have to be guessed.

    All open extents are equal, and then as images, token ids and caches have them.
    """
    if not any(-1 in spec.shape[1:] for spec in signature.inputs):
        return [[sample(spec, filled(spec, 1)) for spec in signature.inputs]]
    tried = [[filled(spec, extent) for spec in signature.inputs] for extent in OPEN_EXTENTS]
    shapes = [tried[0], [typical(spec) for spec in signature.inputs], *tried[1:]]
    return [
        [sample(spec, shape) for spec, shape in zip(signature.inputs, found, strict=True)]
        for found in shapes
    ]


def filled(spec: TensorSpec, extent: int) -> tuple[int, ...]:
    """Put one extent wherever a dimension is open, but a single row on the first axis."""
    rows = tuple(1 if rows == -1 else rows for rows in spec.shape[:1])
    return (*rows, *(extent if wanted == -1 else wanted for wanted in spec.shape[1:]))


def typical(spec: TensorSpec) -> tuple[int, ...]:
    """Guess a shape by name and rank: no cache, an image of 224 by 224, or a sequence."""
    if len(spec.shape) == 4 and CACHE.search(spec.name):
        return filled(spec, 0)
    if len(spec.shape) != 4:
        return filled(spec, SEQUENCE)
    channels_last = spec.shape[3] in (1, CHANNELS, 4)
    image = (1, PIXELS, PIXELS, CHANNELS) if channels_last else (1, CHANNELS, PIXELS, PIXELS)
    return tuple(
        guess if wanted == -1 else wanted for guess, wanted in zip(image, spec.shape, strict=True)
    )


def sample(spec: TensorSpec, shape: tuple[int, ...]) -> Tensor:
    """Make a tensor of one row: floats between 0 and 1, always the same, else zero or empty."""
    return Tensor(spec.name, spec.datatype, elements(spec.datatype, shape))


def elements(datatype: str, shape: tuple[int, ...]) -> Array:
    """Make an array of a datatype."""
    if datatype == "BYTES":
        return np.full(shape, b"", np.object_)
    if not datatype.startswith("FP"):
        return np.zeros(shape, DATATYPES[datatype])
    # numpy.random is not in the layer; these look as random, and are the same on any machine.
    values = np.arange(1, math.prod(shape) + 1) * STEP % 1
    return values.round(3).reshape(shape).astype(DATATYPES[datatype])


def takes_batches(signature: Signature) -> bool:
    """Tell whether every input may have any number of rows on axis 0."""
    return bool(signature.inputs) and all(spec.shape[:1] == (-1,) for spec in signature.inputs)


def rows_of(inputs: Sequence[Tensor], signature: Signature) -> int:
    """Count the rows of a request; one that has no batch axis is one row."""
    return len(inputs[0].array) if takes_batches(signature) else 1


def batch_of(inputs: Sequence[Tensor], rows: int) -> list[Tensor]:
    """Repeat the rows of a request until there are as many as asked for."""
    return [
        Tensor(
            tensor.name,
            tensor.datatype,
            np.take(tensor.array, np.arange(rows) % len(tensor.array), axis=0),
        )
        for tensor in inputs
    ]


def size_bytes(inputs: Sequence[Tensor]) -> int:
    """Give the bytes that the inputs take."""
    return sum(tensor.array.nbytes for tensor in inputs)
