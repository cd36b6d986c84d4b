"""A JSON array is read element by element, wherever the pieces of its file end."""

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serval.batch.input.jsonl.json_array import Elements, element_lines, is_array
from serval.errors import BatchRefused
from serval.models.signature import TensorSpec

PAIR = (TensorSpec("x", "FP32", (-1, 2)),)
GRID = (TensorSpec("x", "FP32", (-1, 2, 2)),)
SCALAR = (TensorSpec("x", "FP32", (-1,)),)
TWO = (*SCALAR, TensorSpec("y", "FP32", (-1,)))
VALUES = st.recursive(
    st.none() | st.integers() | st.text(alphabet='ab,:[]{}"\\\n é'),
    lambda own: st.lists(own) | st.dictionaries(st.text(alphabet='a"\\]'), own),
    max_leaves=6,
)


def cut(text: bytes, random: Random) -> list[bytes]:
    ends = sorted(random.randrange(len(text) + 1) for _ in range(random.randrange(6)))
    return [text[a:b] for a, b in zip([0, *ends], [*ends, len(text)], strict=True)]


@given(st.lists(VALUES), st.sampled_from([None, 0, 3]), st.randoms(), st.booleans())
def test_each_element_is_a_line(
    values: list[Any], indent: int | None, random: Random, ascii_only: bool
) -> None:
    text = json.dumps(values, indent=indent, ensure_ascii=ascii_only).encode() + b" \r\n"

    lines = b"".join(element_lines(cut(text, random), 0)).split(b"\n")

    assert lines.pop() == b""
    assert [json.loads(line) for line in lines if line.strip()] == values


@given(st.lists(VALUES, min_size=1), st.randoms())
def test_each_byte_stays_in_its_place(values: list[Any], random: Random) -> None:
    text = json.dumps(values, indent=1).encode()

    written = b"".join(element_lines(cut(text, random), 0))

    assert len(written) == len(text)
    changed = {(old, new) for old, new in zip(text, written, strict=True) if old != new}
    assert {bytes(pair) for pair in changed} <= {b"[ ", b"\n ", b",\n", b"]\n"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b'[{"x":1},', "byte 9: the file ends before its JSON array does"),
        (b'[{"x":1}, {"x":"]', "byte 17: the file ends before its JSON array does"),
        (b'[{"x":[1}, {"x":1}]', "byte 19: the file ends before its JSON array does"),
        (b'[{"x":1}] {"x":2}', "byte 10: text stands behind the end of the JSON array"),
        (b'[{"x":1}]]', "byte 9: text stands behind the end of the JSON array"),
        (b'[{"x":1}, ,{"x":2}]', "byte 10: the JSON array has no element before it"),
        (b'[{"x":1}, ]', "byte 10: the JSON array has no element before it"),
        (b"[,]", "byte 1: the JSON array has no element before it"),
        (b'[{"x":1}}', "byte 8: '}' stands where the JSON array ends"),
        (b'{"x":1}', "it is no JSON array of records, as the first file is"),
        (b"  ", "byte 2: the file ends before its JSON array does"),
    ],
)
@pytest.mark.parametrize("size", [1, 100])
def test_an_array_whose_elements_cannot_be_told_apart_is_refused(
    text: bytes, reason: str, size: int
) -> None:
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    with pytest.raises(BatchRefused, match="^" + reason.replace("}", r"\}")):
        list(element_lines(pieces, 0))


def test_a_newline_in_a_string_stays_what_is_no_json() -> None:
    assert Elements(0).lines(b'["a\nb",\n"c"]') == b' "a\rb"\n "c"\n'


@pytest.mark.parametrize(
    ("text", "inputs", "expected"),
    [
        (b'[{"x":[1,2]},{"x":[3,4]}]', PAIR, True),
        (b' [ \n {"x":[1,2]}\n]', PAIR, True),
        (b'[{"x":[1,2]}\n,{"x":[3,4]}]', PAIR, True),
        (b'[{"x":1},\n{"x":2}]', TWO, True),
        (b"[[1,2],[3,4]]\n", PAIR, True),
        (b"[[1,2],[3,4]]\n", GRID, False),
        (b"[[[1,2],[3,4]]]", GRID, True),
        (b"[1,2]\n[3,4]\n", PAIR, False),
        (b"[[1,2]]\n[3,4]\n", PAIR, False),
        (b'[{"x":[1,2]}]\n{"x":[3,4]}\n', PAIR, False),
        (b"[1,2]", PAIR, False),
        (b"[]", TWO, True),
        (b"[]", PAIR, False),
        (b'{"x":[[{', PAIR, False),
        (b"", PAIR, False),
    ],
)
def test_an_array_is_told_from_a_record_a_line(
    text: bytes, inputs: tuple[TensorSpec, ...], expected: bool
) -> None:
    assert is_array(text, inputs) is expected
