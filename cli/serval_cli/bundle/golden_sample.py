"""A first golden request: made-up inputs of the right shapes, and what the model makes of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from serval.errors import ServalError
from serval.foreign import parser_message, refusing
from serval.inference.runtimes import ArtifactUnreadable, OperatorMissing, RuntimeFailed
from serval.inference.runtimes.onnx import OnnxModel
from serval.models.signature import Signature
from serval.models.tensor import Tensor
from serval.rollouts.golden import lines
from serval.rollouts.golden.differences import compare
from serval.rollouts.golden.requests import LIMIT_BYTES
from serval.rollouts.golden.sample import make_samples as made_up
from serval.rollouts.golden.sample import symbols_of

MEMORY_MIB = 1769
TOLERANCE = 1e-3
"""Two runs of one model may round differently, where threads share a sum."""


class NoSample(Exception):
    """No golden request can be made; the message says why."""


class NotFinite(Exception):
    """The model answers with what JSON does not carry; the message says where."""


class NotLoaded(Exception):
    """ONNX Runtime does not load the model, so no stage would; the message says why."""


def golden_lines(artifact: Path, signature: Signature, samples: Sequence[Sequence[Tensor]]) -> str:
    """Run the model and give ``golden.jsonl``: a line for each sample, else a made-up one.

    Raises
    ------
    NoSample
        If a line is too long, or if the model cannot be run here on these inputs.
    NotLoaded
        If the model cannot be loaded.
    """
    model = loaded(artifact)
    if not samples:
        return line_of(*answered(model, signature))
    return "".join(line_of(inputs, real_answer(model, inputs, signature)) for inputs in samples)


def line_of(inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> str:
    """Write a request and its answer, if that is not too long."""
    line = lines.golden_line(inputs, outputs)
    if len(line) > LIMIT_BYTES:
        raise NoSample(
            f"the request and its answer take {len(line)} bytes, at most {LIMIT_BYTES} allowed"
        )
    return line


def loaded(artifact: Path) -> OnnxModel:
    """Load the model; an operator that this processor lacks may be on a fleet's."""
    try:
        return OnnxModel(artifact, MEMORY_MIB)
    except OperatorMissing as problem:
        raise NoSample(
            f"the processor has no kernel for one of its operators, so only a fleet with a GPU "
            f"may run it: {parser_message(problem)}"
        ) from problem
    except ArtifactUnreadable as problem:
        raise NotLoaded(f"ONNX Runtime does not load it: {parser_message(problem)}") from problem


def answered(model: OnnxModel, signature: Signature) -> tuple[list[Tensor], list[Tensor]]:
    """Run the model on the first made-up inputs that it takes and has finite answers to."""
    problems = []
    for inputs in made_up(signature, symbols_of(model)):
        try:
            return inputs, steady_answer(model, inputs, signature)
        except (ServalError, RuntimeFailed, NotFinite) as problem:
            shapes = ", ".join(f"{t.name} {list(t.array.shape)}" for t in inputs)
            problems.append(f"{shapes}: {parser_message(problem)}")
    raise NoSample(
        f"the model fails on made-up inputs ({'; '.join(problems)}); give it real ones (--sample "
        "FILE), or export it with fixed dimensions"
    )


def real_answer(
    model: OnnxModel, inputs: Sequence[Tensor], signature: Signature
) -> Sequence[Tensor]:
    """Run the model on inputs that somebody has given."""
    try:
        return steady_answer(model, inputs, signature)
    except (ServalError, RuntimeFailed, NotFinite) as problem:
        raise NoSample(f"the model fails on the sample: {parser_message(problem)}") from problem


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
