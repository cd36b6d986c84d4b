"""Compare the outputs of a model with the expected ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from serval.models.tensor import Array, Tensor
from serval.rollouts.golden.handler_lines import JSON, compare_documents

TOLERANCES = {"FP16": 1e-2, "BF16": 5e-2, "FP32": 1e-4, "FP64": 1e-4}
"""By datatype, if ``model.yaml`` has no ``golden_tolerance``: about ten roundings of FP16 and
BF16. FP64 outputs were often computed in FP32."""

REASONS_PER_ANSWER = 3


@dataclass(frozen=True, slots=True)
class Differences:
    """How far an answer is from the expected one."""

    largest: float
    """Largest |difference| of two finite floats, or 0.0."""
    reasons: tuple[str, ...]
    """What is wrong, a reason for each output; empty if the answer is right."""


def compare(
    expected: Sequence[Tensor], given: Sequence[Tensor], tolerance: float | None
) -> Differences:
    """Compare floats within a tolerance (None for their datatype's own), other values exactly.

    The tolerance is absolute for small values and relative for large ones, like ``atol`` and
    ``rtol`` of numpy's ``allclose`` in one: ``|given - expected| / (1 + |expected|)`` may not
    exceed it. A NaN equals only an expected NaN, an infinity only itself.
    """
    answers = {tensor.name: tensor for tensor in given}
    compared = [compare_output(tensor, answers, tolerance) for tensor in expected]
    return Differences(
        max((differences.largest for differences in compared), default=0.0),
        tuple(reason for differences in compared for reason in differences.reasons),
    )


def compare_output(
    expected: Tensor, answers: Mapping[str, Tensor], tolerance: float | None
) -> Differences:
    """Compare one expected output."""
    name = f"output {expected.name!r:.80}"
    answer = answers.get(expected.name)
    if answer is None:
        names = ", ".join(answers)
        return Differences(0.0, (f"{name} is expected, the model's answer has {names}",))
    if expected.datatype == JSON:
        element = answer.array.ravel()[0] if answer.array.size else b""
        largest, wrong = compare_documents(expected.array[0], element, tolerance)
        return Differences(largest, tuple(wrong[:REASONS_PER_ANSWER]))
    if answer.datatype != expected.datatype:
        problem = f"datatype {answer.datatype} given, {expected.datatype} expected"
        return Differences(0.0, (f"{name}: {problem}",))
    if answer.array.shape != expected.array.shape:
        given, wanted = list(answer.array.shape), list(expected.array.shape)
        return Differences(0.0, (f"{name}: shape {given} given, {wanted} expected",))
    if expected.datatype in TOLERANCES:
        allowed = TOLERANCES[expected.datatype] if tolerance is None else tolerance
        return compare_floats(name, widen(expected), widen(answer), allowed)
    return compare_exactly(name, expected.array, answer.array)


def compare_floats(name: str, expected: Array, given: Array, tolerance: float) -> Differences:
    """Compare float64 arrays of one shape; the reason names the worst element."""
    same = (given == expected) | (np.isnan(given) & np.isnan(expected))
    with np.errstate(invalid="ignore", over="ignore"):
        distance = np.where(same, 0.0, np.abs(given - expected))
        excess = distance - tolerance * (1 + np.abs(expected))
    finite = np.isfinite(distance)
    largest = float(distance[finite].max(initial=0.0))
    wrong = ~finite | (~same & (excess > 0))
    if not wrong.any():
        return Differences(largest, ())
    at = np.unravel_index(np.where(finite, excess, np.inf).argmax(), distance.shape)
    problem = f"{spell_element(given[at])} given, {spell_element(expected[at])} expected"
    if finite[at]:
        problem += (
            f"; the difference of {distance[at]:.3g} is over golden_tolerance {tolerance:g} * "
            f"(1 + {abs(expected[at]):.3g})"
        )
    return Differences(largest, (element_reason(name, at, problem, int(wrong.sum())),))


def compare_exactly(name: str, expected: Array, given: Array) -> Differences:
    """Compare arrays of one shape element by element; the reason names the first that differs."""
    wrong = np.asarray(given != expected)
    if not wrong.any():
        return Differences(0.0, ())
    at = np.unravel_index(wrong.argmax(), wrong.shape)
    problem = f"{spell_element(given[at])} given, {spell_element(expected[at])} expected"
    return Differences(0.0, (element_reason(name, at, problem, int(wrong.sum())),))


def element_reason(name: str, at: tuple[Any, ...], problem: str, wrong: int) -> str:
    """Name an element and its problem, and count the others that are wrong."""
    others = f" ({wrong - 1} more of its elements differ)" if wrong > 1 else ""
    return f"{name}: element {[int(index) for index in at]}: {problem}{others}"


def spell_element(value: Any) -> str:
    """Spell an element for a message."""
    if isinstance(value, bytes):
        return f"{value.decode(errors='replace')!r:.80}"
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (float, np.floating)):
        return "NaN" if np.isnan(value) else f"{value:.9g}"
    return str(value)


def widen(tensor: Tensor) -> Array:
    """Convert a float tensor to float64; an answer's BF16 is raw 16-bit words."""
    array = tensor.array
    if tensor.datatype == "BF16" and array.dtype == np.uint16:
        array = (array.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return array.astype(np.float64)
