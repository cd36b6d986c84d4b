"""serval/client/inference_request.py: V2 requests from bare data."""

from typing import Any

import pytest

from serval.client import InvalidInput
from serval.client.inference_request import build_request, is_request

FLOWER = {"name": "x", "datatype": "FP32", "shape": [-1, 4]}
WORD = {"name": "word", "datatype": "BYTES", "shape": [-1]}


def tensors(value: Any, *specs: dict[str, Any]) -> list[tuple[str, list[int], list[Any]]]:
    built = build_request(value, specs)["inputs"]
    return [(tensor["name"], tensor["shape"], tensor["data"]) for tensor in built]


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ([[1, 2, 3, 4]], [1, 4]),
        ([[1, 2, 3, 4], [5, 6, 7, 8]], [2, 4]),
        ([1, 2, 3, 4], [1, 4]),
        ({"x": [1, 2, 3, 4]}, [1, 4]),
    ],
)
def test_data_alone_get_their_shape(value: Any, shape: list[int]) -> None:
    (built,) = tensors(value, FLOWER)
    assert (built[0], built[1], len(built[2])) == ("x", shape, shape[0] * shape[1])


@pytest.mark.parametrize(
    ("value", "shape"), [(7, [1, 1]), ([7], [1, 1]), ([7, 8, 9], [3, 1]), ([[7], [8]], [2, 1])]
)
def test_a_column_is_given_as_a_data_frame_writes_it(value: Any, shape: list[int]) -> None:
    [(_, built, data)] = tensors(
        {"age": value}, {"name": "age", "datatype": "FP32", "shape": [-1, 1]}
    )
    assert (built, len(data)) == (shape, shape[0])


def test_several_inputs_go_by_their_names_in_the_models_order() -> None:
    built = tensors({"word": "a", "x": [[1, 2, 3, 4]]}, FLOWER, WORD)
    assert built == [("x", [1, 4], [1, 2, 3, 4]), ("word", [1], ["a"])]


def test_datatypes_are_the_models() -> None:
    assert build_request(["a"], [WORD])["inputs"][0]["datatype"] == "BYTES"


@pytest.mark.parametrize(
    ("value", "specs", "said"),
    [
        ([1], [FLOWER], r"'x': the data has shape \[1\], \[-1, 4\] expected"),
        ([[1, 2], [3]], [FLOWER], r"item 1 has shape \[1\] and item 0 has \[2\]"),
        ([[1, 2, 3, 4], 5], [FLOWER], r"item 1 has shape \[\]"),
        ({"y": [1]}, [FLOWER], "data for y given; the model has inputs x"),
        ({}, [FLOWER], "data for no input given"),
        ([1], [FLOWER, WORD], "the model has inputs x, word: expected an object"),
        ({"x": []}, [FLOWER], r"has shape \[0\]"),
    ],
)
def test_data_that_do_not_fit_say_what_was_expected(
    value: Any, specs: list[dict[str, Any]], said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        build_request(value, specs)


@pytest.mark.parametrize(
    ("value", "whole"),
    [
        ({"inputs": [{"name": "x"}]}, True),
        ({"inputs": []}, True),
        ({"inputs": [[1, 2]]}, False),
        ({"inputs": 3}, False),
        ([1], False),
        ("x", False),
    ],
)
def test_a_whole_request_is_told_from_data(value: Any, whole: bool) -> None:
    assert is_request(value) is whole


def test_what_may_be_left_out_may_be_given() -> None:
    factor = {"name": "factor", "datatype": "FP32", "shape": [1]}
    for value in ({"x": [[1, 2, 3, 4]]}, {"x": [[1, 2, 3, 4]], "factor": [2]}):
        built = build_request(value, [FLOWER], [factor])
        assert [given["name"] for given in built["inputs"]] == list(value)
    with pytest.raises(InvalidInput, match="expected all of them"):
        build_request({"factor": [2]}, [FLOWER], [factor])


def test_text_stands_for_its_bytes() -> None:
    prompt = {"name": "prompt", "datatype": "UINT8", "shape": [-1, -1]}
    assert tensors("Grüß", prompt) == [("prompt", [1, 6], list("Grüß".encode()))]
    assert tensors({"prompt": ["ab", "cd"]}, prompt) == [("prompt", [2, 2], list(b"abcd"))]
    with pytest.raises(InvalidInput, match="lists of equal shape expected"):
        tensors({"prompt": ["a", "cd"]}, prompt)
