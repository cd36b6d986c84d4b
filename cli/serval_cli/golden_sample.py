"""A first golden request: made-up inputs of the right shapes, and what the model makes of them."""

import json
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from serval.errors import ServalError
from serval.foreign import refusing, said
from serval.golden.sample import samples
from serval.protocol.content import JSON_LIMIT_BYTES
from serval.runtimes import ArtifactUnreadable, OperatorMissing, RuntimeFailed
from serval.runtimes.onnx import OnnxModel
from serval.signatures import Signature
from serval.tensors import Tensor

BINARY_ONLY = frozenset({"FP16", "BF16"})
MEMORY_MIB = 1769


class NoSample(Exception):
    """No golden request can be made; the message says why."""


class NotLoaded(Exception):
    """ONNX Runtime does not load the model, so no stage would; the message says why."""


def golden_line(artifact: Path, signature: Signature) -> str:
    """Run the model once and give a line of ``golden.jsonl``.

    Raises
    ------
    NoSample
        If JSON cannot say a tensor, or if the model cannot be run here on made-up inputs.
    NotLoaded
        If the model cannot be loaded.
    """
    model = loaded(artifact)
    for spec in (*signature.inputs, *signature.outputs):
        if spec.datatype in BINARY_ONLY:
            raise NoSample(f"tensor {spec.name!r} is {spec.datatype}, which JSON does not carry")
    inputs, outputs = answered(model, signature)
    golden = {
        "request": {"inputs": [document(tensor) for tensor in inputs]},
        "response": {"outputs": [document(tensor) for tensor in outputs]},
    }
    line = json.dumps(golden, allow_nan=False) + "\n"
    if len(line) > JSON_LIMIT_BYTES:
        raise NoSample(
            f"the request and its answer take {len(line)} bytes as JSON, at most "
            f"{JSON_LIMIT_BYTES} allowed"
        )
    return line


def loaded(artifact: Path) -> OnnxModel:
    """Load the model; an operator that this processor lacks may be on a fleet's."""
    try:
        return OnnxModel(artifact, MEMORY_MIB)
    except OperatorMissing as problem:
        raise NoSample(
            f"the processor has no kernel for one of its operators, so only a fleet with a GPU "
            f"may run it: {said(problem)}"
        ) from problem
    except ArtifactUnreadable as problem:
        raise NotLoaded(f"ONNX Runtime does not load it: {said(problem)}") from problem


def answered(model: OnnxModel, signature: Signature) -> tuple[list[Tensor], list[Tensor]]:
    """Run the model on the first made-up inputs that it takes."""
    problems = []
    for inputs in samples(signature):
        try:
            with refusing(RuntimeFailed):
                return inputs, model.run(inputs, signature.outputs)
        except (ServalError, RuntimeFailed) as problem:
            shapes = ", ".join(f"{t.name} {list(t.array.shape)}" for t in inputs)
            problems.append(f"{shapes}: {said(problem)}")
    raise NoSample(
        f"the model fails on made-up inputs ({'; '.join(problems)}); publish requests with inputs "
        "of its own kind ('golden:' in model.yaml), or export it with fixed dimensions"
    )


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
        raise NoSample(f"tensor {tensor.name!r} is not finite for made-up inputs")
    return [float(str(element)) for element in flat]
