"""Golden lines of handlers: bodies and answers as they are, compared as JSON."""

import json

import numpy as np
import pytest

from serval.errors import BundleRefused
from serval.handlers.signature import HANDLER_SIGNATURE
from serval.models.tensor import Tensor
from serval.protocol.request import read_request
from serval.rollouts.golden.differences import Differences, compare
from serval.rollouts.golden.requests import read_golden

LINE = {"body": {"inputs": "é"}, "answer": [{"label": "a", "score": 0.5}]}


def answered(expected: object, given: bytes, tolerance: float | None = None) -> Differences:
    [golden] = read_golden("g", json.dumps({"body": None, "answer": expected}).encode())
    array = np.array([given], object)
    return compare(golden.expected, [Tensor("answer", "BYTES", array)], tolerance)


def test_a_line_posts_its_body() -> None:
    [golden] = read_golden("g", json.dumps(LINE).encode())
    [body] = read_request(golden.body, None, HANDLER_SIGNATURE).inputs
    assert (body.name, json.loads(body.array[0])) == ("body", {"inputs": "é"})


@pytest.mark.parametrize(
    ("expected", "given"),
    [
        ([{"label": "a", "score": 0.5}], b'[{"score": 0.50001, "label": "a"}]'),
        (1, b"1.00001"),
        ({"a": None, "b": True, "c": "x"}, b'{"c": "x", "b": true, "a": null}'),
    ],
)
def test_answers_that_mean_the_same_are_equal(expected: object, given: bytes) -> None:
    assert answered(expected, given).reasons == ()


@pytest.mark.parametrize(
    ("expected", "given", "said"),
    [
        ([{"score": 0.5}], b'[{"score": 0.6}]', "answer[0]['score']: 0.6 given, 0.5 expected"),
        ([1, 2], b"[1]", "answer: 1 elements given, 2 expected"),
        ({"a": 1}, b'{"b": 1}', "answer: members ['b'] given, ['a'] expected"),
        ("a", b'"b"', "answer: 'b' given, 'a' expected"),
        (1, b"true", "answer: true given, 1 expected"),
        ({"a": 1}, b"\x00", "the answer is not JSON: 1 bytes, in base64 AA==… given"),
        (0.5, b"NaN", "answer: nan given, 0.5 expected"),
    ],
)
def test_a_difference_is_named_with_its_place(expected: object, given: bytes, said: str) -> None:
    assert answered(expected, given).reasons == (said,)


def test_the_largest_difference_and_the_tolerance_are_those_of_numbers() -> None:
    found = answered([1.0, 2.0], b"[1.25, 2.0]", 0.5)
    assert found == Differences(0.25, ())


@pytest.mark.parametrize("line", [{"body": 1}, {"body": 1, "answer": 2, "more": 3}])
def test_a_wrong_line_is_refused(line: object) -> None:
    with pytest.raises(BundleRefused, match="g line 1: "):
        read_golden("g", json.dumps(line).encode())
