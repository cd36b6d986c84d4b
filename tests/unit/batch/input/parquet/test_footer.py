"""Footers of Parquet files: what they say, and files that are put together by them alone."""

import io
import struct

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serval.batch.input.parquet.footer import MAGIC, NotParquet, read_footer
from serval.batch.input.parquet.joined_footer import JoinedFooter
from serval.batch.input.parquet.needs import GAP_BYTES, Needs, merge_ranges
from serval.batch.input.parquet.thrift import NotThrift, Reader, write_bytes

FRAME = pl.DataFrame(
    {
        "id": ["a", None, "é"] * 100,
        "x": [0.5, 1.5, 2.5] * 100,
        "list": [[1, 2], [], None] * 100,
        "pair": [{"k": 1, "v": "b"}] * 300,
    }
)


def file_of(frame: pl.DataFrame, **options: int) -> bytes:
    target = io.BytesIO()
    frame.write_parquet(target, **options)
    return target.getvalue()


def test_a_footer_tells_columns_rows_and_places() -> None:
    data = file_of(FRAME, row_group_size=70)
    footer = read_footer(data, len(data))

    assert footer.rows == 300
    assert [(column.name, column.nested) for column in footer.columns] == [
        ("id", False), ("x", False), ("list", True), ("pair", True),
    ]  # fmt: skip
    groups = footer.groups()
    assert sum(group.rows for group in groups) == 300
    assert {chunk.column for chunk in groups[0].chunks} == {"id", "x", "list", "pair"}
    assert max(c.start + c.size_bytes for c in groups[-1].chunks) <= footer.body_end


def test_only_the_last_bytes_are_needed() -> None:
    data = file_of(FRAME)
    footer = read_footer(data, len(data))
    assert read_footer(data[footer.body_end :], len(data)) == footer


@given(st.lists(st.integers(0, 60), min_size=1, max_size=6), st.integers(1, 40))
def test_files_are_put_together_by_their_footers(cuts: list[int], group: int) -> None:
    frames = [FRAME.slice(start, start % 50) for start in cuts]
    body, footer = MAGIC, JoinedFooter()
    for frame in frames:
        data = file_of(frame, row_group_size=group)
        own = read_footer(data, len(data))
        footer.add(own, len(body) - len(MAGIC))
        body += data[len(MAGIC) : own.body_end]
    whole = body + footer.end()

    assert pl.read_parquet(io.BytesIO(whole)).equals(pl.concat(frames))
    assert (
        pl.scan_parquet(io.BytesIO(whole))
        .filter(pl.col("x") > 1)
        .collect()
        .equals(pl.concat(frames).filter(pl.col("x") > 1))
    )
    assert read_footer(whole, len(whole)).rows == sum(map(len, frames))


def test_files_of_other_columns_are_not_put_together() -> None:
    footer = JoinedFooter()
    for frame in (FRAME.select("id"), FRAME.select("x")):
        data = file_of(frame)
        own = read_footer(data, len(data))
        if footer.size_bytes:
            with pytest.raises(NotParquet, match="its columns differ from those before it"):
                footer.add(own, 0)
        else:
            footer.add(own, 0)
    with pytest.raises(NotParquet, match="there is nothing to put together"):
        JoinedFooter().end()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "it does not end in PAR1"),
        (b"PAR1", "it does not end in PAR1"),
        (file_of(FRAME)[:-1], "it does not end in PAR1"),
        (b"PAR1" + struct.pack("<I", 9_000) + b"PAR1", "the whole file 12: it is cut short"),
        (b"PAR1" + struct.pack("<I", 2**31) + b"PAR1", "at most 268435456 allowed"),
        (b"PAR1\0" + struct.pack("<I", 1) + b"PAR1", "its footer cannot be read"),
        (b"PAR1\xff\xff" + struct.pack("<I", 2) + b"PAR1", "its footer cannot be read"),
        (b"PARE" + struct.pack("<I", 0) + b"PARE", "its footer is encrypted"),
        (MAGIC + file_of(FRAME)[400:], "it is cut short"),
    ],
)
def test_what_is_no_whole_parquet_file_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(NotParquet, match=reason):
        read_footer(data, len(data)).groups()


@given(st.binary(max_size=60))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    tail = data + struct.pack("<I", len(data)) + MAGIC
    try:
        read_footer(tail, len(tail) + 4).groups_and_tail(None)
    except NotParquet:
        return


@given(st.binary(max_size=60))
def test_what_was_read_is_written_as_it_was(data: bytes) -> None:
    try:
        fields = Reader(data).struct()
    except NotThrift:
        return
    assert Reader(write_bytes(fields)).struct() == fields


def test_structs_in_each_other_have_an_end() -> None:
    with pytest.raises(NotThrift, match="more than 64 structs"):
        Reader(b"\x1c" * 100).struct()


def test_only_the_row_groups_and_columns_that_are_needed_are_read() -> None:
    data = file_of(pl.DataFrame({"a": range(9_000), "b": ["text" * 9] * 9_000}), row_group_size=900)
    footer = read_footer(data, len(data))
    needs = Needs.of(footer, len(data), {"a"})
    ((start, end),) = needs.rows(1_000, 1_500).ranges
    (chunk,) = [c for c in footer.groups()[1].chunks if c.column == "a"]
    assert (start, end) == (chunk.start, chunk.start + chunk.size_bytes)
    assert needs.rows(0, 0).ranges == ()


def test_ranges_close_by_each_other_are_read_as_one() -> None:
    assert merge_ranges([(10, 20), (0, 5), (20 + GAP_BYTES, 30 + GAP_BYTES)]) == [
        (0, 30 + GAP_BYTES)
    ]
    assert merge_ranges([(0, 5), (6 + GAP_BYTES, 7 + GAP_BYTES)]) == [
        (0, 5),
        (6 + GAP_BYTES, 7 + GAP_BYTES),
    ]
