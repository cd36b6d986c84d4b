"""Convert arrays to a model's inputs without cutting, padding or rounding."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from serval.models.signature import TensorSpec
from serval.models.tensor import DATATYPES, Array, Tensor
from serval.protocol.binary_tensors import bytes_array
from serval_cli.failures import CommandFailed

Specs = Sequence[TensorSpec]


def fit_array(path: Path, spec: TensorSpec, array: Array) -> Tensor:
    """Convert an array to an input without changing its kind; one row may lack its axis."""
    if array.ndim == len(spec.shape) - 1 and spec.shape[0] in (-1, 1):
        array = array[np.newaxis]
    where = f"{path}: input {spec.name!r}"
    if array.ndim != len(spec.shape) or any(
        wanted not in (-1, extent) for extent, wanted in zip(array.shape, spec.shape, strict=True)
    ):
        raise CommandFailed(f"{where} has shape {list(array.shape)}, {list(spec.shape)} expected")
    if spec.datatype == "BYTES":
        return Tensor(spec.name, "BYTES", encode_texts(where, array))
    dtype = DATATYPES[spec.datatype]
    if spec.datatype == "BF16":
        raise CommandFailed(f"{where} is BF16, which numpy does not have")
    # Whole numbers become floats, and never the other way round.
    if array.dtype.kind not in {"b": "b", "f": "biuf"}.get(dtype.kind, "biu"):
        raise CommandFailed(f"{where} is of {array.dtype}, {spec.datatype} expected")
    if dtype.kind in "iu" and array.size and not in_range(array, dtype):
        raise CommandFailed(f"{where} has numbers that {spec.datatype} does not hold")
    with np.errstate(over="ignore"):
        converted = array.astype(dtype, order="C")
    if dtype.kind == "f" and np.isinf(converted).sum() > np.isinf(array).sum():
        raise CommandFailed(f"{where} has numbers that {spec.datatype} does not hold")
    return Tensor(spec.name, spec.datatype, converted)


def in_range(array: Array, dtype: np.dtype[Any]) -> bool:
    """Return whether a datatype can hold all the whole numbers of an array."""
    limits = np.iinfo(dtype)
    return limits.min <= int(array.min()) and int(array.max()) <= limits.max


def encode_texts(where: str, array: Array) -> Array:
    """Encode texts as a BYTES tensor."""
    if array.dtype.kind not in "US" and not all(
        isinstance(element, (str, bytes)) for element in array.ravel().tolist()
    ):
        raise CommandFailed(f"{where} is of {array.dtype}, texts expected")
    encoded = [e.encode() if isinstance(e, str) else e for e in array.ravel().tolist()]
    return bytes_array(encoded, list(array.shape))


def only_input(path: Path, inputs: Specs) -> TensorSpec:
    """Return the only input, for a file that names none."""
    if len(inputs) != 1:
        names = ", ".join(spec.name for spec in inputs)
        raise CommandFailed(f"{path} is for one input, the model takes {names}: give a .npz")
    return inputs[0]
