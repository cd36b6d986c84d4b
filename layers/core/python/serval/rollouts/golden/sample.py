"""Inputs made up from a signature, and batches made of inputs."""

import math
import re
from collections.abc import Mapping, Sequence

import numpy as np

from serval.models.signature import Signature, TensorSpec
from serval.models.tensor import DATATYPES, Array, Tensor

Symbols = Mapping[str, Sequence[str | None]]
"""Input → what the graph calls each of its extents; None: nothing, or it is fixed."""

STEP = (5**0.5 - 1) / 2
"""Multiples of the golden ratio, without their whole part, spread evenly over 0 to 1."""
OPEN_EXTENTS = (1, 16, 64, 224)
"""Tried in turn where the signature leaves a dimension other than the first one open."""
SEQUENCE = 16
"""Length of token ids, their masks, and whatever else goes along with them."""
CHANNELS, PIXELS = 3, 224
SAMPLES, SAMPLE_RATE = 16_000, 16_000
"""A second of sound."""


def named(words: str) -> re.Pattern[str]:
    """Make a pattern that finds any of some words in a name."""
    return re.compile(words, re.IGNORECASE)


CACHE = named("past|cache")
"""In the names of what a decoder keeps of earlier steps: at first, nothing."""
SOUND = named("audio|wave|speech|input_values")
EXTENTS = (
    (CACHE, 0),
    (named("batch"), 1),
    (named("channel"), CHANNELS),
    (named("height|width"), PIXELS),
    (named("feature|mel"), 80),
    (named("frame"), 3000),
    (named("seq|len|token"), SEQUENCE),
)
"""What the name of a dimension says of its extent; the first that fits."""
WHOLE_NUMBERS = (
    (named("padding"), 0),
    (named("mask"), 1),
    (named("rate$|^sr$"), SAMPLE_RATE),
    (named("size|shape"), PIXELS),
    (named("len"), SEQUENCE),
    (named("^num_"), 1),
)
"""What the name of an input says of its elements, where they are whole numbers; else 0."""


def symbols_of(model: object) -> Symbols:
    """Give what a loaded model's graph calls its extents; a server's model has none."""
    found: Symbols = getattr(model, "symbols", {})
    return found


def samples(signature: Signature, symbols: Symbols | None = None) -> list[list[Tensor]]:
    """Give inputs of one row to try; more than one if extents have to be guessed.

    All open extents are equal; then as the graph's names for them, and those of its inputs, say;
    then all equal again.
    """
    if not any(-1 in spec.shape[1:] for spec in signature.inputs):
        return [[sample(spec, filled(spec, 1)) for spec in signature.inputs]]
    tried = [[filled(spec, extent) for spec in signature.inputs] for extent in OPEN_EXTENTS]
    usual = [typical(spec) for spec in signature.inputs]
    as_named = [
        by_name((symbols or {}).get(spec.name, ()), spec, guess)
        for spec, guess in zip(signature.inputs, usual, strict=True)
    ]
    shapes = [tried[0], as_named, *([] if as_named == usual else [usual]), *tried[1:]]
    return [
        [sample(spec, shape) for spec, shape in zip(signature.inputs, found, strict=True)]
        for found in shapes
    ]


def by_name(
    names: Sequence[str | None], spec: TensorSpec, guess: tuple[int, ...]
) -> tuple[int, ...]:
    """Put extents as the graph calls them; those with no telling name are guessed."""
    if len(names) != len(spec.shape) or SOUND.search(spec.name):
        return guess
    return tuple(
        wanted if wanted != -1 else extent_named(name or "", guessed)
        for wanted, name, guessed in zip(spec.shape, names, guess, strict=True)
    )


def extent_named(name: str, guess: int) -> int:
    """Give the extent that a name, or a sum of names and numbers, tells of."""
    parts = [part.strip() for part in name.split("+")]
    if len(parts) == 1:
        return next((extent for words, extent in EXTENTS if words.search(name)), guess)
    return sum(int(part) if part.isdecimal() else extent_named(part, guess) for part in parts)


def filled(spec: TensorSpec, extent: int) -> tuple[int, ...]:
    """Put one extent wherever a dimension is open, but a single row on the first axis."""
    rows = tuple(1 if rows == -1 else rows for rows in spec.shape[:1])
    return (*rows, *(extent if wanted == -1 else wanted for wanted in spec.shape[1:]))


def typical(spec: TensorSpec) -> tuple[int, ...]:
    """Guess a shape by name and rank: no cache, an image of 224 by 224, or a sequence."""
    if len(spec.shape) == 4 and CACHE.search(spec.name):
        return filled(spec, 0)
    if len(spec.shape) != 4:
        return filled(spec, SAMPLES if SOUND.search(spec.name) else SEQUENCE)
    channels_last = spec.shape[3] in (1, CHANNELS, 4)
    image = (1, PIXELS, PIXELS, CHANNELS) if channels_last else (1, CHANNELS, PIXELS, PIXELS)
    return tuple(
        guess if wanted == -1 else wanted for guess, wanted in zip(image, spec.shape, strict=True)
    )


def sample(spec: TensorSpec, shape: tuple[int, ...]) -> Tensor:
    """Make a tensor of one row: floats between 0 and 1, always the same; others by their name."""
    return Tensor(spec.name, spec.datatype, elements(spec, shape))


def elements(spec: TensorSpec, shape: tuple[int, ...]) -> Array:
    """Make an array of a datatype."""
    if spec.datatype == "BYTES":
        return np.full(shape, b"", np.object_)
    dtype = DATATYPES[spec.datatype]
    if not spec.datatype.startswith("FP"):
        whole = next((n for words, n in WHOLE_NUMBERS if words.search(spec.name)), 0)
        return np.full(shape, min(whole, largest(spec.datatype)), dtype)
    # numpy.random is not in the layer; these look as random, and are the same on any machine.
    values = np.arange(1, math.prod(shape) + 1) * STEP % 1
    return values.round(3).reshape(shape).astype(dtype)


def largest(datatype: str) -> int:
    """Limit what is put into a datatype to what it holds; BF16 is raw bits here, so zero."""
    return {"BOOL": 1, "INT8": 127, "UINT8": 255, "BF16": 0}.get(datatype, SAMPLE_RATE)


def takes_batches(signature: Signature) -> bool:
    """Tell whether every input may have any number of rows on axis 0."""
    open_rows = all(spec.shape[:1] == (-1,) for spec in signature.inputs)
    return bool(signature.inputs) and open_rows and not signature.rows_interact


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
