"""Cuts of CSV files: whatever the file and wherever it is cut, every record is there once."""

import csv
import io
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serval.batch.input.csv.cuts import BareQuote, RangeScan, Scanner, cut_ranges

FIELDS = st.text(st.sampled_from('a,"\n\r é€😀1'), max_size=6)
ROWS = st.lists(st.lists(FIELDS, min_size=1, max_size=4), min_size=1, max_size=12)


@st.composite
def written(draw: st.DrawFn) -> bytes:
    """Draw a file: any fields, LF or CRLF, with or without a final newline."""
    ending = draw(st.sampled_from(["\n", "\r\n"]))
    out = io.StringIO()
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    writer = csv.writer(out, lineterminator=ending, quoting=quoting)
    for row in draw(ROWS):
        # The module leaves a lone return unquoted in an old Python; a field in quotes is exact.
        writer.writerow([field.replace("\r", "") for field in row])
    text = out.getvalue()
    return (text if draw(st.booleans()) else text.removesuffix(ending)).encode()


def scan(file: bytes, start: int, end: int, block: int) -> RangeScan:
    scanner = Scanner(start, before=file[start - 1] if start else None)
    for offset in range(start, end, block):
        scanner.feed(file[offset : min(offset + block, end)])
    return scanner.finish(file[end] if end < len(file) else None)


def ranges(file: bytes, wished: list[int]) -> list[tuple[int, int]]:
    points = sorted({0, len(file), *(point % (len(file) + 1) for point in wished)})
    return list(pairwise(points))


def records(text: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text.decode(), newline=""), strict=True))


@given(written(), st.lists(st.integers(0, 10_000), max_size=8), st.integers(1, 9))
def test_every_record_is_in_one_shard_and_whole(file: bytes, wished: list[int], block: int) -> None:
    found = cut_ranges([scan(file, *ends, block) for ends in ranges(file, wished)], header=False)

    assert b"".join(file[cut.start : cut.end] for cut in found) == file
    shards = [records(file[cut.start : cut.end]) for cut in found]
    assert [record for shard in shards for record in shard] == records(file)


@given(written(), st.lists(st.integers(0, 10_000), max_size=8))
def test_a_shard_knows_the_number_of_its_first_record(file: bytes, wished: list[int]) -> None:
    found = cut_ranges([scan(file, *ends, 4096) for ends in ranges(file, wished)], header=False)

    ended = 0
    for cut in found:
        assert cut.first_record == ended
        ended += newlines_outside_quotes(file[cut.start : cut.end])


def newlines_outside_quotes(text: bytes) -> int:
    inside, count = False, 0
    for byte in text:
        inside ^= byte == ord('"')
        count += byte == ord("\n") and not inside
    return count


@given(written(), st.integers(1, 5))
def test_a_scan_is_the_same_whatever_the_blocks(file: bytes, block: int) -> None:
    if file:
        assert scan(file, 0, len(file), block) == scan(file, 0, len(file), len(file))


def test_a_header_is_no_record() -> None:
    file = b"a,b\n1,2\n3,4\n"
    found = cut_ranges([scan(file, 0, 6, 9), scan(file, 6, 12, 9)], header=True)
    assert [(cut.start, cut.end, cut.first_record) for cut in found] == [(0, 8, 0), (8, 12, 1)]


def test_a_record_longer_than_a_range_stays_whole() -> None:
    file = b'1,"' + b"x\n" * 50 + b'"\n2,y\n'
    found = cut_ranges([scan(file, n, min(n + 10, len(file)), 4) for n in range(0, len(file), 10)],
                 header=False)  # fmt: skip
    assert [file[cut.start : cut.end] for cut in found] == [file[:-4], b"2,y\n"]


@pytest.mark.parametrize(
    ("file", "byte"),
    [
        (b'1,a"b\n', 3),
        (b'1,"a"b\n', 4),
        (b'1, "a"\n', 3),
        (b'1,"a\n2,b\n', 2),
        (b'x\n1,2"\n', 5),
    ],
    ids=["inside a field", "behind its end", "behind a space", "never closed", "at an end"],
)
@pytest.mark.parametrize("at", range(1, 6))
def test_a_bare_quote_is_named_wherever_the_file_is_cut(file: bytes, byte: int, at: int) -> None:
    scans = [scan(file, 0, at, 2), scan(file, at, len(file), 2)]
    with pytest.raises(BareQuote, match=f"byte {byte}:"):
        cut_ranges(scans, header=False)


def test_a_scan_is_handed_on_as_json() -> None:
    found = scan(b'a,"b\n"\nc\n', 0, 9, 3)
    assert RangeScan.from_json(found.to_json()) == found
