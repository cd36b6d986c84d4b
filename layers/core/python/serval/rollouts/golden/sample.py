"""Make up inputs from a signature, and repeat rows to make batches."""

import math
import re
from collections.abc import Mapping, Sequence

import numpy as np

from serval.models.signature import Signature, TensorSpec
from serval.models.tensor import DATATYPES, Array, Tensor

Symbols = Mapping[str, Sequence[str | None]]
"""Input → the graph's names for its extents; None for one that is fixed or has no name."""

STEP = (5**0.5 - 1) / 2
"""The fractional parts of the golden ratio's multiples spread evenly over 0 to 1."""
OPEN_EXTENTS = (1, 16, 64, 224)
"""Tried in turn if the signature leaves a dimension other than the first one open."""
SEQUENCE = 16
"""Length of token ids and of their masks."""
CHANNELS, PIXELS = 3, 224
SAMPLES, SAMPLE_RATE = 16_000, 16_000
"""A second of sound."""


def words(alternatives: str) -> re.Pattern[str]:
    """Compile a pattern that finds any of some words in a name."""
    return re.compile(alternatives, re.IGNORECASE)


CACHE = words("past|cache")
"""In the names of a decoder's earlier steps, which are empty at first."""
SOUND = words("audio|wave|speech|input_values")
EXTENTS = (
    (CACHE, 0),
    (words("batch"), 1),
    (words("channel"), CHANNELS),
    (words("height|width"), PIXELS),
    (words("feature|mel"), 80),
    (words("frame"), 3000),
    (words("seq|len|token"), SEQUENCE),
)
"""Extents that the name of a dimension suggests; the first match holds."""
WHOLE_NUMBERS = (
    (words("padding"), 0),
    (words("mask"), 1),
    (words("rate$|^sr$"), SAMPLE_RATE),
    (words("size|shape"), PIXELS),
    (words("len"), SEQUENCE),
    (words("^num_"), 1),
)
"""Elements that the name of an input suggests if they are whole numbers; otherwise 0."""


def symbols_of(model: object) -> Symbols:
    """Return the names of a loaded model's extents; a server's model has none."""
    found: Symbols = getattr(model, "symbols", {})
    return found


def make_samples(signature: Signature, symbols: Symbols | None = None) -> list[list[Tensor]]:
    """Make inputs of one row, in several shapes if open extents must be guessed.

    The first shape has all open extents equal. The next follow the names of the extents and of
    the inputs, and the last have equal extents again.
    """
    if not any(-1 in spec.shape[1:] for spec in signature.inputs):
        return [[make_sample(spec, fill_shape(spec, 1)) for spec in signature.inputs]]
    equal = [[fill_shape(spec, extent) for spec in signature.inputs] for extent in OPEN_EXTENTS]
    usual = [guess_shape(spec) for spec in signature.inputs]
    as_named = [
        shape_by_names((symbols or {}).get(spec.name, ()), spec, guess)
        for spec, guess in zip(signature.inputs, usual, strict=True)
    ]
    shapes = [equal[0], as_named, *([] if as_named == usual else [usual]), *equal[1:]]
    return [
        [make_sample(spec, shape) for spec, shape in zip(signature.inputs, found, strict=True)]
        for found in shapes
    ]


def shape_by_names(
    names: Sequence[str | None], spec: TensorSpec, guess: tuple[int, ...]
) -> tuple[int, ...]:
    """Choose open extents by the graph's names for them, and guess the others."""
    if len(names) != len(spec.shape) or SOUND.search(spec.name):
        return guess
    return tuple(
        wanted if wanted != -1 else extent_by_name(name or "", guessed)
        for wanted, name, guessed in zip(spec.shape, names, guess, strict=True)
    )


def extent_by_name(name: str, guess: int) -> int:
    """Look up the extent for a name, or for a sum of names and numbers."""
    parts = [part.strip() for part in name.split("+")]
    if len(parts) == 1:
        return next((extent for pattern, extent in EXTENTS if pattern.search(name)), guess)
    return sum(int(part) if part.isdecimal() else extent_by_name(part, guess) for part in parts)


def fill_shape(spec: TensorSpec, extent: int) -> tuple[int, ...]:
    """Fill open dimensions with one extent, except for a single row on the first axis."""
    rows = tuple(1 if rows == -1 else rows for rows in spec.shape[:1])
    return (*rows, *(extent if wanted == -1 else wanted for wanted in spec.shape[1:]))


def guess_shape(spec: TensorSpec) -> tuple[int, ...]:
    """Guess a shape by name and rank: an empty cache, an image of 224 by 224, or a sequence."""
    if len(spec.shape) == 4 and CACHE.search(spec.name):
        return fill_shape(spec, 0)
    if len(spec.shape) != 4:
        return fill_shape(spec, SAMPLES if SOUND.search(spec.name) else SEQUENCE)
    channels_last = spec.shape[3] in (1, CHANNELS, 4)
    image = (1, PIXELS, PIXELS, CHANNELS) if channels_last else (1, CHANNELS, PIXELS, PIXELS)
    return tuple(
        guess if wanted == -1 else wanted for guess, wanted in zip(image, spec.shape, strict=True)
    )


def make_sample(spec: TensorSpec, shape: tuple[int, ...]) -> Tensor:
    """Make a tensor: always the same floats between 0 and 1, or whole numbers by its name."""
    return Tensor(spec.name, spec.datatype, make_elements(spec, shape))


def make_elements(spec: TensorSpec, shape: tuple[int, ...]) -> Array:
    """Make an array of the tensor's datatype."""
    if spec.datatype == "BYTES":
        return np.full(shape, b"", np.object_)
    dtype = DATATYPES[spec.datatype]
    if not spec.datatype.startswith("FP"):
        whole = next((n for pattern, n in WHOLE_NUMBERS if pattern.search(spec.name)), 0)
        return np.full(shape, min(whole, largest_number(spec.datatype)), dtype)
    # The layer lacks numpy.random. These look random, and are the same on every machine.
    values = np.arange(1, math.prod(shape) + 1) * STEP % 1
    return values.round(3).reshape(shape).astype(dtype)


def largest_number(datatype: str) -> int:
    """Return the largest number to put into a datatype; 0 for BF16, which is raw bits here."""
    return {"BOOL": 1, "INT8": 127, "UINT8": 255, "BF16": 0}.get(datatype, SAMPLE_RATE)


def takes_batches(signature: Signature) -> bool:
    """Whether every input may have any number of rows on axis 0."""
    open_rows = all(spec.shape[:1] == (-1,) for spec in signature.inputs)
    return bool(signature.inputs) and open_rows and not signature.rows_interact


def count_rows(inputs: Sequence[Tensor], signature: Signature) -> int:
    """Count the rows of a request; without a batch axis it is one row."""
    return len(inputs[0].array) if takes_batches(signature) else 1


def repeat_rows(inputs: Sequence[Tensor], rows: int) -> list[Tensor]:
    """Repeat the rows of a request to make a batch of ``rows``."""
    return [
        Tensor(
            tensor.name,
            tensor.datatype,
            np.take(tensor.array, np.arange(rows) % len(tensor.array), axis=0),
        )
        for tensor in inputs
    ]


def size_bytes(inputs: Sequence[Tensor]) -> int:
    """Sum up the bytes of the inputs' arrays."""
    return sum(tensor.array.nbytes for tensor in inputs)
