"""Make golden requests from samples or made-up inputs, with the model's own answers."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from serval.errors import ServalError
from serval.foreign import parser_message, refusing
from serval.inference.runtimes import ArtifactUnreadable, OperatorMissing, RuntimeFailed
from serval.inference.runtimes.onnx import OnnxModel
from serval.models.signature import Signature
from serval.models.tensor import Tensor
from serval.rollouts.golden.differences import compare
from serval.rollouts.golden.requests import LIMIT_BYTES, write_line
from serval.rollouts.golden.sample import make_samples as made_up
from serval.rollouts.golden.sample import symbols_of

MEMORY_MIB = 1769
TOLERANCE = 1e-3
"""Threads that share a sum may round two runs of one model differently."""


class NoSample(Exception):
    """No golden request can be made; the message has the reason."""


class NotFinite(Exception):
    """An output holds NaN or infinity, which JSON cannot carry."""


class NotLoaded(Exception):
    """ONNX Runtime cannot load the model, so no stage could either."""


def golden_lines(artifact: Path, signature: Signature, samples: Sequence[Sequence[Tensor]]) -> str:
    """Run the model and write ``golden.jsonl``: a line per sample, or one of made-up inputs.

    Raises
    ------
    NoSample
        If a line is too long, or the model fails on these inputs here.
    NotLoaded
        If the model cannot be loaded.
    """
    model = load_artifact(artifact)
    if not samples:
        return line_of(*answer_made_up(model, signature))
    return "".join(line_of(inputs, answer_sample(model, inputs, signature)) for inputs in samples)


def line_of(inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> str:
    """Write a request and its answer as a line, unless it is too long."""
    line = write_line(inputs, outputs)
    if len(line) > LIMIT_BYTES:
        raise NoSample(
            f"the request and its answer take {len(line)} bytes, at most {LIMIT_BYTES} allowed"
        )
    return line


def load_artifact(artifact: Path) -> OnnxModel:
    """Load the model.

    An operator without a kernel for this processor is no error of the model: a fleet may have it.
    """
    try:
        return OnnxModel(artifact, MEMORY_MIB)
    except OperatorMissing as problem:
        raise NoSample(
            f"the processor has no kernel for one of its operators, so only a fleet with a GPU "
            f"may run it: {parser_message(problem)}"
        ) from problem
    except ArtifactUnreadable as problem:
        raise NotLoaded(f"ONNX Runtime does not load it: {parser_message(problem)}") from problem


def answer_made_up(model: OnnxModel, signature: Signature) -> tuple[list[Tensor], list[Tensor]]:
    """Run the model on the first made-up inputs that yield finite outputs."""
    problems = []
    for inputs in made_up(signature, symbols_of(model)):
        try:
            return inputs, answer_twice(model, inputs, signature)
        except (ServalError, RuntimeFailed, NotFinite) as problem:
            shapes = ", ".join(f"{t.name} {list(t.array.shape)}" for t in inputs)
            problems.append(f"{shapes}: {parser_message(problem)}")
    raise NoSample(
        f"the model fails on made-up inputs ({'; '.join(problems)}); give it real ones (--sample "
        "FILE), or export it with fixed dimensions"
    )


def answer_sample(
    model: OnnxModel, inputs: Sequence[Tensor], signature: Signature
) -> Sequence[Tensor]:
    """Run the model on a sample."""
    try:
        return answer_twice(model, inputs, signature)
    except (ServalError, RuntimeFailed, NotFinite) as problem:
        raise NoSample(f"the model fails on the sample: {parser_message(problem)}") from problem


def answer_twice(model: OnnxModel, inputs: Sequence[Tensor], signature: Signature) -> list[Tensor]:
    """Run the model twice on the same inputs and return its answer.

    Raises
    ------
    NoSample
        If the two answers differ.
    NotFinite
        If an output holds NaN or infinity.
    """
    with refusing(RuntimeFailed):
        first, second = (model.run(inputs, signature.outputs) for _ in range(2))
    if compare(first, second, TOLERANCE).reasons:
        raise NoSample("the model answers differently each time that it is asked the same")
    for tensor in first:
        if tensor.datatype.startswith("FP") and not np.isfinite(tensor.array).all():
            raise NotFinite(f"output {tensor.name!r} is not finite")
    return first
