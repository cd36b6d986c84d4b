"""A first golden request: random inputs of the right shapes, and what the model makes of them."""

import json
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from serval.runtimes.onnx import OnnxModel
from serval.signatures import Signature, TensorSpec
from serval.tensors import DATATYPES, Tensor

BINARY_ONLY = frozenset({"FP16", "BF16"})
MEMORY_MIB = 1769


class NoSample(Exception):
    """No golden request can be made; the message says why."""


def golden_line(artifact: Path, signature: Signature) -> str:
    """Run the model once and give a line of ``golden.jsonl``.

    Raises
    ------
    NoSample
        If JSON cannot say a tensor, or the outputs.
    ServalError
        If the model cannot be run.
    """
    for spec in (*signature.inputs, *signature.outputs):
        if spec.datatype in BINARY_ONLY:
            raise NoSample(f"tensor {spec.name!r} is {spec.datatype}, which JSON does not carry")
    inputs = [sample(spec) for spec in signature.inputs]
    outputs = OnnxModel(artifact, MEMORY_MIB).run(inputs, signature.outputs)
    golden = {
        "request": {"inputs": [document(tensor) for tensor in inputs]},
        "response": {"outputs": [document(tensor) for tensor in outputs]},
    }
    return json.dumps(golden, allow_nan=False) + "\n"


def sample(spec: TensorSpec) -> Tensor:
    """Make a tensor of one row: floats between 0 and 1, and zero for everything else."""
    shape = [1 if extent < 0 else extent for extent in spec.shape]
    dtype = DATATYPES[spec.datatype]
    if spec.datatype == "BYTES":
        array: npt.NDArray[Any] = np.full(shape, b"", dtype)
    elif spec.datatype.startswith("FP"):
        array = np.random.default_rng(0).random(shape).round(3).astype(dtype)
    else:
        array = np.zeros(shape, dtype)
    return Tensor(spec.name, spec.datatype, array)


def document(tensor: Tensor) -> Mapping[str, Any]:
    """Give a tensor as V2 JSON has it."""
    return {
        "name": tensor.name,
        "datatype": tensor.datatype,
        "shape": list(tensor.array.shape),
        "data": elements(tensor),
    }


def elements(tensor: Tensor) -> Sequence[Any]:
    """Give elements in row order; a float in its shortest digits."""
    flat = tensor.array.ravel()
    if tensor.datatype == "BYTES":
        return [element.decode() for element in flat.tolist()]
    if not tensor.datatype.startswith("FP"):
        return list(flat.tolist())
    if not all(isfinite(element) for element in flat.tolist()):
        raise NoSample(f"tensor {tensor.name!r} is not finite for random inputs")
    return [float(str(element)) for element in flat]
