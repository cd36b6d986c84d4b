"""Whether nested lists of JSON are even: of equal lengths on every axis.

That short lists are is seen in the text itself: without its numbers, nothing but a repeated pattern
of brackets and commas is left. Long ones are measured, which takes as long however long they are;
no bracket more than theirs proves that nothing is in them but elements.
"""

import math
from collections.abc import Sequence
from itertools import accumulate
from operator import mul
from typing import Any, NamedTuple

import numpy as np
import simdjson

from serval.errors import InvalidTensor

OF_NUMBERS = b"0123456789+-.eE \t\r\n"
OPENING = ord("[")
WIDE = 24
"""From so many elements of a list on, measuring it takes less than reading its text again."""


class ListText(NamedTuple):
    """The JSON text that nested lists are in."""

    text: str | bytes = b""
    """Empty: it is not at hand, or does not pay to look at."""
    others: int = 0
    """How many lists it has beside these."""


UNSEEN = ListText()


def expect_even(name: str, shape: Sequence[int], data: Any, source: ListText = UNSEEN) -> None:
    """Refuse lists that do not have a shape throughout.

    Parameters
    ----------
    name
        The tensor's.
    data
        A ``simdjson.Array``.

    Raises
    ------
    InvalidTensor
        Naming the axis on which a list has another length.
    """
    if not is_even(data, shape, source):
        check_nesting(name, shape, data)


def is_even(data: Any, shape: Sequence[int], source: ListText) -> bool:
    """Return whether the text proves that lists have a shape throughout.

    It may prove nothing about lists that have it. What it proves it does of lists in which there
    are as many elements as the shape holds.
    """
    text, others = source
    if not shape or 2 * math.prod(extent or 1 for extent in shape) > len(text):
        # A caller's shape may be of any size: no pattern of one is made that the text has no room
        # for.
        return False
    if isinstance(text, str):
        text = text.encode()
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
    """Return whether a text without its numbers has the pattern of a shape, and no more."""
    outlined, pattern = text.translate(None, OF_NUMBERS), b""
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


def check_nesting(name: str, shape: Sequence[int], rows: Any, axis: int = 0) -> None:
    """Refuse nested data whose lists do not follow the shape; no more than a row is held."""
    if axis == len(shape):
        raise InvalidTensor(name, f"data is nested deeper than shape {list(shape)}")
    if not isinstance(rows, simdjson.Array) or len(rows) != shape[axis]:
        raise InvalidTensor(name, f"nested data does not follow shape {list(shape)} on axis {axis}")
    if axis + 1 < len(shape):
        for row in rows:
            check_nesting(name, shape, row, axis + 1)
    elif simdjson.Array in set(map(type, rows)):
        raise InvalidTensor(name, f"data is nested deeper than shape {list(shape)}")
