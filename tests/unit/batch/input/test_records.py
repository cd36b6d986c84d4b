"""Blocks of whole records: the same from any pieces, and each byte is looked at once."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serval.batch.input import records as blocks
from serval.batch.input.records import record_ends, record_spans, split_first_record, whole_records

TEXT = st.text(st.sampled_from('ab,"\n\r')).map(str.encode)


def pieces_of(text: bytes, sizes: list[int]) -> Iterator[bytes]:
    for size in sizes:
        if not text:
            return
        yield text[:size]
        text = text[size:]
    if text:
        yield text


@given(TEXT, st.lists(st.integers(1, 9)), st.booleans())
def test_blocks_are_the_records_of_the_file_in_order(
    text: bytes, sizes: list[int], quoted: bool
) -> None:
    found = list(whole_records(pieces_of(text, sizes), 50, 7, quoted=quoted))

    assert b"".join(block.data for block in found) == text
    ends = {0, *map(int, record_ends(text, quoted=quoted)), len(text)}
    at, number = 50, 7
    for block in found:
        assert (block.offset, block.first_record) == (at, number)
        at, number = block.end, number + len(record_spans(block.data, quoted=quoted))
        assert at - 50 in ends


@given(TEXT, st.lists(st.integers(1, 9)), st.booleans())
def test_the_first_record_is_the_first_that_is_not_blank(
    text: bytes, sizes: list[int], quoted: bool
) -> None:
    record, rest = split_first_record(pieces_of(text, sizes), quoted=quoted)

    assert record + b"".join(rest) == text
    ends = [int(end) for end in record_ends(text, quoted=quoted)]
    wanted = next((end for end in ends if text[:end].strip(b"\r\n")), len(text))
    assert len(record) == wanted


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Count the bytes in which ends of records were looked for."""
    counted = [0]

    def counting(block: bytes, **more: Any) -> Any:
        counted[0] += len(block)
        return record_ends(block, **more)

    monkeypatch.setattr(blocks, "record_ends", counting)
    return lambda: counted[0]


@pytest.mark.parametrize("quoted", [True, False])
def test_a_long_record_is_looked_at_once(quoted: bool, looked_at: Callable[[], int]) -> None:
    pieces = [b"x" * 1_000] * 999 + [b"\n"]
    (block,) = whole_records(pieces, 0, 0, quoted=quoted)
    assert (len(block.data), looked_at()) == (999_001, 999_001)


def test_a_long_header_is_looked_at_once(looked_at: Callable[[], int]) -> None:
    pieces = [b"\n" * 1_000] * 500 + [b"x" * 1_000] * 499 + [b"\n1\n"]
    record, rest = split_first_record(iter(pieces), quoted=True)
    assert (len(record), b"".join(rest), looked_at()) == (999_001, b"1\n", 999_003)
