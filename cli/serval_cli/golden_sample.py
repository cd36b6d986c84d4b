"""A first golden request: made-up inputs of the right shapes, and what the model makes of them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from serval.errors import ServalError
from serval.foreign import refusing, said
from serval.golden.differences import compare
from serval.golden.sample import samples, symbols_of
from serval.protocol.content import JSON_LIMIT_BYTES
from serval.runtimes import ArtifactUnreadable, OperatorMissing, RuntimeFailed
from serval.runtimes.onnx import OnnxModel
from serval.signatures import Signature
from serval.tensors import Tensor

BINARY_ONLY = frozenset({"FP16", "BF16"})
MEMORY_MIB = 1769
TOLERANCE = 1e-3
"""Two runs of one model may round differently, where threads share a sum."""


class NoSample(Exception):
    """No golden request can be made; the message says why."""


class NotFinite(Exception):
    """The model answers with what JSON does not carry; the message says where."""


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
    """Run the model on the first made-up inputs that it takes and has finite answers to."""
    problems = []
    for inputs in samples(signature, symbols_of(model)):
        try:
            return inputs, steady_answer(model, inputs, signature)
        except (ServalError, RuntimeFailed, NotFinite) as problem:
            shapes = ", ".join(f"{t.name} {list(t.array.shape)}" for t in inputs)
            problems.append(f"{shapes}: {said(problem)}")
    raise NoSample(
        f"the model fails on made-up inputs ({'; '.join(problems)}); give it real ones (--sample "
        "FILE), or export it with fixed dimensions"
    )


def steady_answer(model: OnnxModel, inputs: Sequence[Tensor], signature: Signature) -> list[Tensor]:
    """Run the model twice on the same, and give its answer.

    Raises
    ------
    NoSample
        If it does not answer the same.
    NotFinite
        If there are NaN or infinities among it.
    """
    with refusing(RuntimeFailed):
        first, second = (model.run(inputs, signature.outputs) for _ in range(2))
    if compare(first, second, TOLERANCE).reasons:
        raise NoSample("the model answers differently each time that it is asked the same")
    for tensor in first:
        if tensor.datatype.startswith("FP") and not np.isfinite(tensor.array).all():
            raise NotFinite(f"output {tensor.name!r} is not finite")
    return first


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
    return [float(str(element)) for element in flat]
