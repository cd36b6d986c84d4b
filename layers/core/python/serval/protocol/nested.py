"""Nested lists of JSON as arrays, whose shape the nesting gives; numbers go into one buffer."""

import math
from collections.abc import Sequence
from typing import Any

import simdjson

from serval.errors import InvalidTensor
from serval.models.signature import TensorSpec
from serval.models.tensor import DATATYPES, Array, Tensor
from serval.protocol.even_lists import UNSEEN, ListText, expect_even
from serval.protocol.json_values import (
    BINARY_ONLY,
    quote,
    read_elements,
    read_numbers,
)
from serval.protocol.request import MAX_DIMENSIONS, check_tensor


def read_nested(spec: TensorSpec, data: Any, source: ListText = UNSEEN) -> Tensor:
    """Read a list, nested or not, as the tensor of an input.

    Parameters
    ----------
    data
        A ``simdjson.Array``.
    source
        What may prove that its lists are of equal lengths.

    Raises
    ------
    InvalidTensor
        If the lists are not of equal lengths, or do not fit the input's shape or datatype.
    """
    nesting = nested_shape(spec.name, data)
    shape = fit_ones(nesting, spec.shape)
    check_tensor(spec.name, spec.datatype, shape, {spec.name: spec})
    expect_even(spec.name, nesting, data, source)
    read = read_flat(spec, data)
    if read.size != math.prod(shape):
        raise InvalidTensor(spec.name, f"nested lists of {shape} hold {read.size} values")
    return Tensor(spec.name, spec.datatype, read.reshape(shape))


def read_flat(spec: TensorSpec, data: Any) -> Array:
    """Read the elements of nested lists one after another."""
    if spec.datatype in BINARY_ONLY:
        raise InvalidTensor(
            spec.name,
            f"{spec.datatype} has no form in JSON: send a binary tensor by the Open Inference "
            "Protocol V2",
        )
    dtype = DATATYPES[spec.datatype]
    if dtype.kind in "fiu":
        return read_numbers(spec.name, spec.datatype, dtype, data)
    return read_elements(spec.name, spec.datatype, data)


def nested_shape(name: str, data: Any) -> list[int]:
    """Return the lengths of nested lists, as the first of each has them."""
    if not isinstance(data, simdjson.Array):
        given = quote(data)
        raise InvalidTensor(name, f"{given} given, a list expected")
    shape: list[int] = []
    while isinstance(data, simdjson.Array) and len(shape) <= MAX_DIMENSIONS:
        shape.append(len(data))
        data = data[0] if shape[-1] else None
    return shape


def fit_ones(nesting: Sequence[int], wanted: Sequence[int]) -> list[int]:
    """Add or leave out axes of extent 1 at the end, as a column of values has or has not."""
    shape = list(nesting)
    if len(shape) < len(wanted) and all(extent == 1 for extent in wanted[len(shape) :]):
        shape += [1] * (len(wanted) - len(shape))
    while len(shape) > len(wanted) and shape[-1] == 1:
        shape.pop()
    return shape
