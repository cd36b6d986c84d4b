"""Comparing answers: floats within the tolerance, everything else exactly."""

import math
from typing import Any

import numpy as np
import pytest

from serval.models.tensor import DATATYPES, Tensor
from serval.protocol.binary_tensors import bytes_array
from serval.rollouts.golden.differences import compare


def made(datatype: str, values: Any, name: str = "y") -> Tensor:
    return Tensor(name, datatype, np.array(values, DATATYPES[datatype]))


def reasons(expected: Tensor, given: Tensor, tolerance: float | None = 0.5) -> list[str]:
    return list(compare([expected], [given], tolerance).reasons)


@pytest.mark.parametrize("datatype", ["FP32", "FP64"])
@pytest.mark.parametrize(("expected", "at_most"), [(0.0, 0.5), (-1.0, 1.0), (1e6, 500000.5)])
def test_the_tolerance_is_absolute_for_small_values_and_relative_for_large_ones(
    datatype: str, expected: float, at_most: float
) -> None:
    found = compare([made(datatype, [expected])], [made(datatype, [expected + at_most])], 0.5)
    assert (found.largest, found.reasons) == (at_most, ())
    assert reasons(made(datatype, [expected]), made(datatype, [expected - 1.001 * at_most]))


def test_a_price_is_right_to_the_roundings_of_its_datatype() -> None:
    assert reasons(made("FP32", [1016171.81]), made("FP32", [1016171.44]), None) == []


@pytest.mark.parametrize(("datatype", "at_most"), [("FP16", 0.01), ("FP32", 1e-4), ("FP64", 1e-4)])
def test_without_a_tolerance_each_datatype_has_its_own(datatype: str, at_most: float) -> None:
    for off, right in ((0.9 * at_most, True), (1.5 * at_most, False)):
        found = reasons(made(datatype, [0.0]), made(datatype, [off]), None)
        assert (found == []) is right


def test_a_difference_over_the_tolerance_names_the_worst_element() -> None:
    found = compare([made("FP32", [[1.0, 2.0], [3.0, 4.0]])], [made("FP32", [[3, 2], [6, 4]])], 0.5)
    assert found.largest == 3.0
    assert list(found.reasons) == [
        "output 'y': element [0, 0]: 3 given, 1 expected; the difference of 2 is over "
        "golden_tolerance 0.5 * (1 + 1) (1 more of its elements differ)"
    ]


def test_a_tolerance_of_nothing_asks_for_the_very_same_floats() -> None:
    assert reasons(made("FP32", [0.1]), made("FP32", [0.1]), 0.0) == []
    assert reasons(made("FP32", [0.1]), made("FP32", [np.nextafter(np.float32(0.1), 1)]), 0.0)


@pytest.mark.parametrize(
    ("expected", "given", "reason"),
    [
        (1.0, math.nan, "NaN given, 1 expected"),
        (math.nan, 1.0, "1 given, NaN expected"),
        (1.0, math.inf, "inf given, 1 expected"),
        (math.inf, -math.inf, "-inf given, inf expected"),
        (math.inf, 3e38, "3e+38 given, inf expected"),
    ],
)
def test_what_is_not_finite_agrees_with_itself_alone(
    expected: float, given: float, reason: str
) -> None:
    [found] = reasons(made("FP64", [0.0, expected]), made("FP64", [9.0, given]), 1e300)
    assert found == f"output 'y': element [1]: {reason}"
    assert reasons(made("FP64", [expected]), made("FP64", [expected])) == []


def test_the_largest_difference_is_of_finite_floats() -> None:
    found = compare([made("FP32", [1.0, 1.0])], [made("FP32", [1.25, math.nan])], 0.5)
    assert found.largest == 0.25


@pytest.mark.parametrize(
    ("datatype", "expected", "given", "reason"),
    [
        ("INT64", [2, 0], [2, 1], "element [1]: 1 given, 0 expected"),
        ("UINT8", [[1], [2]], [[0], [0]], "element [0, 0]: 0 given, 1 expected (1 more of its"),
        ("BOOL", [True], [False], "element [0]: false given, true expected"),
        ("BYTES", [b"cat"], [b"dog"], "element [0]: 'dog' given, 'cat' expected"),
    ],
)
def test_everything_else_is_compared_exactly(
    datatype: str, expected: list[Any], given: list[Any], reason: str
) -> None:
    [found] = reasons(made(datatype, expected), made(datatype, given), 1000.0)
    assert reason in found
    assert reasons(made(datatype, expected), made(datatype, expected)) == []


@pytest.mark.parametrize(
    ("expected", "given", "reason"),
    [
        (made("FP32", [1.0]), made("FP32", [1.0], "z"), "is expected, the model's answer has z"),
        (made("FP32", [1.0]), made("FP64", [1.0]), "datatype FP64 given, FP32 expected"),
        (made("FP32", [1.0]), made("FP32", [[1.0]]), "shape [1, 1] given, [1] expected"),
        (made("FP32", [1.0]), made("FP32", [1.0, 1.0]), "shape [2] given, [1] expected"),
    ],
)
def test_an_output_has_its_name_datatype_and_shape(
    expected: Tensor, given: Tensor, reason: str
) -> None:
    [found] = reasons(expected, given)
    assert found.startswith("output 'y'")
    assert reason in found


def test_outputs_that_nobody_expects_are_left_alone() -> None:
    found = compare([made("FP32", [1.0])], [made("FP32", [9.0], "z"), made("FP32", [1.0])], 0.0)
    assert found.reasons == ()


def test_outputs_without_any_axis_are_compared() -> None:
    assert reasons(made("FP32", 1.0), made("FP32", 1.0)) == []
    assert reasons(made("FP32", 1.0), made("FP32", math.nan)) == [
        "output 'y': element []: NaN given, 1 expected"
    ]
    text = bytes_array([b"cat"], [])
    assert reasons(Tensor("y", "BYTES", text), Tensor("y", "BYTES", text)) == []


def test_outputs_without_any_element_agree() -> None:
    assert compare([made("FP32", [])], [made("FP32", [])], 0.0).largest == 0.0


def test_half_precision_is_widened() -> None:
    half, raw = made("FP16", [0.5]), Tensor("y", "BF16", np.array([0x3F00], np.uint16))
    assert reasons(Tensor("y", "FP16", np.array([0.5], np.float32)), half, 0.0) == []
    assert reasons(Tensor("y", "BF16", np.array([0.5], np.float32)), raw, 0.0) == []
