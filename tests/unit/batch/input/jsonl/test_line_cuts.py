"""Cuts of files of lines: every line once, whole, wherever a cut was wished."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serval.batch.input.jsonl.line_cuts import LINE_LIMIT_BYTES, LineTooLong, line_cuts

LINES = st.lists(st.binary(max_size=9).map(lambda line: line.replace(b"\n", b"")), max_size=20)


@given(LINES, st.booleans(), st.lists(st.integers(0, 200), max_size=9))
def test_every_line_is_in_one_shard_and_whole(
    lines: list[bytes], ended: bool, wished: list[int]
) -> None:
    file = b"\n".join(lines) + (b"\n" if ended else b"")
    found = line_cuts(len(file), sorted(wished), lambda start, end: file[start:end])

    assert b"".join(file[start:end] for start, end in found) == file
    for _, end in found[:-1]:
        assert file[end - 1 : end] == b"\n"


def test_a_line_over_the_limit_is_named() -> None:
    size = LINE_LIMIT_BYTES + 200_000
    with pytest.raises(LineTooLong, match="byte 10: a line of more than 16777216 bytes"):
        line_cuts(size, [10], lambda start, end: b"x" * (end - start))


def test_a_mark_is_left_out() -> None:
    file = b"\xef\xbb\xbfa\nb\n"
    found = line_cuts(len(file), [4], lambda start, end: file[start:end], start=3)
    assert [file[start:end] for start, end in found] == [b"a\n", b"b\n"]
