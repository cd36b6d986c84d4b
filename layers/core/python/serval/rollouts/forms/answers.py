"""What a published graph answers, and whether a form of it answers the same."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from serval.errors import BundleRefused, InvalidRequest
from serval.inference.loaded import Model
from serval.inference.runtimes import RuntimeFailed
from serval.models.tensor import Tensor
from serval.protocol.request import read_request
from serval.rollouts.golden.candidate import Candidate
from serval.rollouts.golden.differences import compare
from serval.rollouts.golden.requests import GoldenRequest, read_golden
from serval.rollouts.golden.sample import samples, symbols_of

LIMIT_REQUESTS = 32
"""Golden requests that a form is compared on, from the first."""
FAILURES = (InvalidRequest, RuntimeFailed)


@dataclass(frozen=True, slots=True)
class GraphAnswer:
    """Inputs, and what the published graph makes of them."""

    inputs: Sequence[Tensor]
    outputs: Sequence[Tensor]


def answers(model: Model, candidate: Candidate, bundle: Path) -> list[GraphAnswer]:
    """Ask the published graph its golden requests, else made-up ones; what fails is left out.

    Made-up inputs come in several shapes where the signature leaves them open: the first that the
    graph takes is enough.
    """
    wanted = candidate.record.signature.outputs
    asked = golden_inputs(candidate, bundle)
    needed = len(asked) or 1
    found: list[GraphAnswer] = []
    for inputs in asked or samples(candidate.record.signature, symbols_of(model)):
        try:
            found.append(GraphAnswer(inputs, model.run(inputs, wanted)))
        except FAILURES:
            continue
        if len(found) == needed:
            break
    return found


def golden_inputs(candidate: Candidate, bundle: Path) -> list[list[Tensor]]:
    """Read the inputs of the golden requests; none if there are none that can be read.

    The golden check, later, refuses what is wrong with them.
    """
    if candidate.golden is None:
        return []
    text = (bundle / candidate.golden).read_bytes()
    try:
        requests = read_golden(candidate.golden, text)
    except BundleRefused:
        return []
    return list(islice(fitting(candidate, requests), LIMIT_REQUESTS))


def fitting(candidate: Candidate, requests: Sequence[GoldenRequest]) -> Iterator[list[Tensor]]:
    """Give the inputs of each request that fits the signature."""
    signature = candidate.record.signature
    for request in requests:
        try:
            inputs = read_request(request.body, request.header_length, signature).inputs
        except InvalidRequest:
            continue
        # The reader's arrays may end with the next request that it reads.
        yield [Tensor(t.name, t.datatype, np.array(t.array)) for t in inputs]


def difference(model: Model, candidate: Candidate, expected: Sequence[GraphAnswer]) -> str | None:
    """Say in what a form answers differently; None: it does not."""
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
