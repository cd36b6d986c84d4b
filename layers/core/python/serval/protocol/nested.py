"""Nested lists of JSON as arrays, whose shape the nesting gives.

Numbers go straight into one buffer. That short lists are of equal lengths is seen in the text
itself: without its numbers, nothing but a repeated pattern of brackets and commas is left. Long
ones are measured, which takes as long however long they are; no bracket more than theirs proves
that nothing is in them but elements.
"""

import math
from collections.abc import Sequence
from itertools import accumulate
from operator import mul
from typing import Any

import numpy as np
import simdjson

from serval.errors import InvalidTensor
from serval.models.signature import TensorSpec
from serval.models.tensor import DATATYPES, Array, Tensor
from serval.protocol.json_values import (
    BINARY_ONLY,
    check_nesting,
    preview,
    read_elements,
    read_numbers,
)
from serval.protocol.request import MAX_DIMENSIONS, check_tensor
from serval.short_repr import short_repr

OF_NUMBERS = b"0123456789+-.eE \t\r\n"
OPENING = ord("[")
WIDE = 24
"""From so many elements of a list on, measuring it takes less than reading its text again."""


def outline(text: bytes) -> bytes:
    """Return a JSON text without the characters of numbers and white space."""
    return text.translate(None, OF_NUMBERS)


def read_nested(spec: TensorSpec, data: Any, text: bytes = b"") -> Tensor:
    """Read a list, nested or not, as the tensor of an input.

    Parameters
    ----------
    data
        A ``simdjson.Array``.
    text
        The document that it is in, where it pays to look there first; empty: each list is looked
        at.

    Raises
    ------
    InvalidTensor
        If the lists are not of equal lengths, or do not fit the input's shape or datatype.
    """
    nesting = nested_shape(spec.name, data)
    shape = fit_ones(nesting, spec.shape)
    check_tensor(spec.name, spec.datatype, shape, {spec.name: spec})
    if not is_even(data, text, nesting):
        check_nesting(spec.name, nesting, data)
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
        given = short_repr(preview(data))
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


def is_even(data: Any, text: bytes, shape: Sequence[int], others: int = 0) -> bool:
    """Return whether a document proves that nested lists have a shape throughout.

    It may prove nothing about lists that have it.

    Parameters
    ----------
    data
        The lists, as ``simdjson`` has them; they have as many elements as the shape.
    text
        The document; empty: it proves nothing.
    others
        How many lists the document has beside these.
    """
    if not text:
        return False
    if shape[-1] >= WIDE and len(shape) > 1:
        lists = sum(accumulate(shape[:-1], mul, initial=1))
        return count_brackets(text) == lists + others and has_lengths(data, shape)
    return is_outlined(text, shape, others)


def count_brackets(text: bytes) -> int:
    """Count the brackets that open a list, or stand in a text."""
    return int(np.count_nonzero(np.frombuffer(text, np.uint8) == OPENING))


def has_lengths(data: Any, shape: Sequence[int]) -> bool:
    """Return whether lists are as long as a shape says, whatever the innermost have."""
    rows = list(data)
    if len(rows) != shape[0] or set(map(type, rows)) != {simdjson.Array}:
        return False
    if len(shape) == 2:
        return set(map(len, rows)) == {shape[1]}
    return all(has_lengths(row, shape[1:]) for row in rows)


def is_outlined(text: bytes, shape: Sequence[int], others: int) -> bool:
    """Return whether a document without its numbers has the pattern of a shape, and no more."""
    outlined, pattern = outline(text), b""
    for extent in reversed(shape):
        pattern = b"[" + ((pattern + b",") * extent)[:-1] + b"]"
    start = outlined.find(b"[" * len(shape))
    end = start + len(pattern)
    # With no other list anywhere, what has the pattern can only be these lists.
    return (
        start >= 0
        and outlined.startswith(pattern, start)
        and outlined.count(b"[", 0, start) + outlined.count(b"[", end) == others
    )
