"""Whether the text of a document proves the shape of the lists in it."""

import json
import random
import tracemalloc
from typing import Any

import pytest
import simdjson

from serval.protocol.even_lists import WIDE, ListText, is_even

DOCUMENTS = 2_000


def numbers_in(value: Any) -> int:
    return sum(map(numbers_in, value)) if isinstance(value, list) else 1


def rows_of(chance: random.Random, rows: int, columns: int) -> list[Any]:
    """Make rows, most of them even; the others lack, repeat, wrap or bare something."""
    made: list[Any] = [[chance.randrange(20) for _ in range(columns)] for _ in range(rows)]
    for _ in range(chance.choice((0, 0, 1, 2, 3))):
        row = chance.randrange(1, rows) if rows > 1 else 0
        change = chance.choice(("longer", "shorter", "deeper", "bare", "empty"))
        if not isinstance(made[row], list):
            continue
        if change == "longer":
            made[row].append(1)
        elif change == "shorter":
            made[row][-1:] = []
        elif change == "deeper" and made[row]:
            made[row][-1] = [made[row][-1]]
        elif change == "bare" and row:
            made[row] = 7
        elif change == "empty":
            made[row] = []
    return made


@pytest.mark.parametrize("narrowest", [1, WIDE])
def test_a_document_proves_no_shape_that_its_rows_have_not(narrowest: int) -> None:
    chance, proved = random.Random(3), 0
    for _ in range(DOCUMENTS):
        rows, columns = chance.randrange(1, 5), narrowest + chance.randrange(3)
        data = rows_of(chance, rows, columns)
        shape = [len(data), len(data[0])]
        junk = chance.choice(([], ["a", "]]", "[["], [1, 2], "[[1,2],[3,4]]", "],", 3))
        members = {"data": data, "junk": junk}
        if chance.random() < 0.5:
            members = dict(reversed(members.items()))
        spaces = chance.choice(((",", ":"), (", ", ": "), (" , ", ": ")))
        text = json.dumps(members, separators=spaces).encode()
        even = all(isinstance(row, list) and len(row) == shape[1] for row in data)
        even = even and not any(isinstance(one, list) for row in data for one in row)
        others = int(isinstance(junk, list))
        parsed: Any = simdjson.Parser().parse(text)
        lists = parsed["data"]
        if numbers_in(data) == shape[0] * shape[1] and is_even(
            lists, shape, ListText(text, others)
        ):
            assert even, text
            proved += 1
    assert proved > DOCUMENTS / 5


def wide(*changed: Any) -> list[Any]:
    """Make rows of ``WIDE`` numbers, each of which begins otherwise."""
    return [[*one, *range(WIDE - len(one))] if isinstance(one, list) else one for one in changed]


@pytest.mark.parametrize(
    ("data", "even"),
    [
        (wide([7], [8]), True),
        ([wide([7], [8]), wide([9], [1])], True),
        (wide([7, []], [8, [9, 9]]), False),
        (wide([7, [9, 9]], "x" * WIDE), False),
        ([wide([7], [8]), wide([9, [1]], [2])], False),
        ([wide([7], [8]), wide([9, [1]])], False),
        (wide([7], "x" * WIDE), False),
    ],
)
def test_long_rows_are_even_if_they_are_lists_of_one_length_and_nothing_is_in_them(
    data: list[Any], even: bool
) -> None:
    text = json.dumps(data).encode()
    shape = [2, WIDE] if len(data[0]) == WIDE else [2, 2, WIDE]
    assert is_even(simdjson.Parser().parse(text), shape, ListText(text)) is even


@pytest.mark.parametrize("shape", [[], [10**15, 2], [10**15, 0], [2, 10**15, 2], [10**7] * 30])
def test_a_shape_larger_than_the_text_is_not_proved_and_takes_no_memory(shape: list[int]) -> None:
    text = b'{"data":[[1,2],[3,4]]}'
    lists: Any = simdjson.Parser().parse(text)["data"]
    tracemalloc.start()
    try:
        assert not is_even(lists, shape, ListText(text))
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
