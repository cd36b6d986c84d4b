"""Batching: what is joined for a run comes apart again as it was."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as numbers

from serval.inference.batch_limits import BatchLimits
from serval.inference.batching import divide_outputs, is_shareable, join_inputs, rows_in, shape_key
from serval.models.signature import Signature, TensorSpec
from serval.models.tensor import Tensor
from serval.protocol.binary_tensors import bytes_array


def tensor(array: Any, name: str = "x", datatype: str = "FP32") -> Tensor:
    return Tensor(name, datatype, np.asarray(array, np.float32))


@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=6),
    numbers.array_shapes(min_dims=0, max_dims=2, max_side=3),
)
def test_what_is_joined_comes_apart_again(rows: list[int], trailing: tuple[int, ...]) -> None:
    arrays = [np.random.default_rng(n).random((n, *trailing), np.float32) for n in rows]
    requests = [[tensor(array), tensor(array * 2, "y")] for array in arrays]
    parts = divide_outputs(join_inputs(requests), rows)
    assert parts is not None
    for part, array in zip(parts, arrays, strict=True):
        assert [t.name for t in part] == ["x", "y"]
        assert (part[0].array == array).all()
        assert (part[1].array == array * 2).all()


def test_texts_are_joined_as_they_are() -> None:
    one, two = bytes_array([b"a\0", b""], [2, 1]), bytes_array([b"longer"], [1, 1])
    [both] = join_inputs([[Tensor("t", "BYTES", one)], [Tensor("t", "BYTES", two)]])
    assert both.array.tolist() == [[b"a\0"], [b""], [b"longer"]]


def test_inputs_are_joined_by_name_whatever_their_order() -> None:
    first = [tensor([[1]], "a"), tensor([[2]], "b")]
    second = [tensor([[4]], "b"), tensor([[3]], "a")]
    assert shape_key(first) == shape_key(second)
    assert [t.array.tolist() for t in join_inputs([first, second])] == [[[1], [3]], [[2], [4]]]


def test_an_output_without_a_row_for_each_row_cannot_be_divided() -> None:
    assert divide_outputs([tensor([[1], [2], [3]])], [1, 1]) is None
    assert divide_outputs([tensor(1.0)], [1]) is None


def test_other_extents_or_datatypes_are_other_keys() -> None:
    keys = {
        shape_key([tensor([[1, 2]])]),
        shape_key([tensor([[1, 2, 3]])]),
        shape_key([Tensor("x", "FP64", np.zeros((1, 2)))]),
        shape_key([tensor([[1, 2]], "y")]),
    }
    assert len(keys) == 4
    assert shape_key([tensor([[1, 2]])]) == shape_key([tensor([[1, 2], [3, 4]])])


@pytest.mark.parametrize(
    ("inputs", "rows"),
    [
        ([tensor([[1], [2]])], 2),
        ([tensor([[1], [2]]), tensor([[1], [2]], "y")], 2),
        ([tensor([[1], [2]]), tensor([[1]], "y")], None),
        ([tensor(np.zeros((0, 2)))], None),
        ([tensor(1.0)], None),
        ([], None),
    ],
)
def test_rows_are_what_all_inputs_have(inputs: list[Tensor], rows: int | None) -> None:
    assert rows_in(inputs) == rows


@pytest.mark.parametrize(
    ("inputs", "outputs", "shared"),
    [
        ([(-1, 2)], [(-1,)], True),
        ([(-1, 2), (-1,)], [(-1, 3)], True),
        ([(-1, 2), (2,)], [(-1,)], False),
        ([(-1, 2)], [(3,)], False),
        ([()], [(-1,)], False),
    ],
)
def test_axis_0_is_shared_when_every_tensor_has_it_open(
    inputs: list[tuple[int, ...]], outputs: list[tuple[int, ...]], shared: bool
) -> None:
    sign = Signature(
        tuple(TensorSpec(f"i{n}", "FP32", shape) for n, shape in enumerate(inputs)),
        tuple(TensorSpec(f"o{n}", "FP32", shape) for n, shape in enumerate(outputs)),
    )
    assert is_shareable(sign) == shared
    assert not is_shareable(replace(sign, rows_interact=True))


def test_limits_are_those_of_the_bundle() -> None:
    bundle = {"batching": {"max_batch_size": 4, "max_wait_ms": 50, "weight": 3}}
    assert BatchLimits.of_bundle(bundle) == BatchLimits(4, 0.05, 3)
    assert BatchLimits.of_bundle({}) == BatchLimits(32, 0.02, 1)
