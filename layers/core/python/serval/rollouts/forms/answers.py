"""Compare the answers of a form with those of the published graph."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from serval.errors import BundleRefused, InvalidRequest
from serval.inference.runtimes import Model, RuntimeFailed
from serval.models.tensor import Tensor
from serval.protocol.request import read_request
from serval.rollouts.golden.candidate import Candidate
from serval.rollouts.golden.differences import compare
from serval.rollouts.golden.requests import GoldenRequest, read_golden
from serval.rollouts.golden.sample import make_samples, symbols_of

LIMIT_REQUESTS = 32
"""How many of the golden requests a form must answer."""
FAILURES = (InvalidRequest, RuntimeFailed)


@dataclass(frozen=True, slots=True)
class GraphAnswer:
    """Inputs, and the published graph's outputs for them."""

    inputs: Sequence[Tensor]
    outputs: Sequence[Tensor]


def ask_graph(model: Model, candidate: Candidate, bundle: Path) -> list[GraphAnswer]:
    """Run the published graph on its golden requests, or on made-up inputs; skip failures.

    Made-up inputs come in several shapes if the signature leaves them open. The first shape that
    the graph takes is enough.
    """
    wanted = candidate.record.signature.outputs
    asked = golden_inputs(candidate, bundle)
    needed = len(asked) or 1
    found: list[GraphAnswer] = []
    for inputs in asked or make_samples(candidate.record.signature, symbols_of(model)):
        try:
            found.append(GraphAnswer(inputs, model.run(inputs, wanted)))
        except FAILURES:
            continue
        if len(found) == needed:
            break
    return found


def golden_inputs(candidate: Candidate, bundle: Path) -> list[list[Tensor]]:
    """Read the inputs of the golden requests; none if the file is invalid.

    Refusing invalid requests is left to the golden check.
    """
    if candidate.golden is None:
        return []
    text = (bundle / candidate.golden).read_bytes()
    try:
        requests = read_golden(candidate.golden, text)
    except BundleRefused:
        return []
    return list(islice(valid_inputs(candidate, requests), LIMIT_REQUESTS))


def valid_inputs(candidate: Candidate, requests: Sequence[GoldenRequest]) -> Iterator[list[Tensor]]:
    """Yield the inputs of each request that fits the signature."""
    signature = candidate.record.signature
    for request in requests:
        try:
            inputs = read_request(request.body, request.header_length, signature).inputs
        except InvalidRequest:
            continue
        # The reader may reuse its arrays for the next request.
        yield [Tensor(t.name, t.datatype, np.array(t.array)) for t in inputs]


def find_difference(
    model: Model, candidate: Candidate, expected: Sequence[GraphAnswer]
) -> str | None:
    """Describe how a form answers differently, or return None if it does not."""
    wanted = candidate.record.signature.outputs
    for answer in expected:
        try:
            outputs = model.run(answer.inputs, wanted)
        except FAILURES as error:
            return f"it fails where the published graph answers: {error}"
        found = compare(answer.outputs, outputs, candidate.tolerance)
        if found.reasons:
            return found.reasons[0]
    return None
