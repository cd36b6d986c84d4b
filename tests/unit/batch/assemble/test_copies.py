"""How parts become one object: every byte once, in order, within S3's limits."""

from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from serval.batch.assemble.join import Join, literal_range, plan_parts, split_parts
from serval.batch.job.job import OutputPiece, ShardRecord
from serval.batch.job.keys import Address, Part, Range
from serval.batch.job.layout import Layout
from tests.fakes.objects import InMemoryObjects

LEAST, MOST = 10, 40


@st.composite
def ranges(draw: st.DrawFn) -> list[Range]:
    found = []
    for index, (size, start) in enumerate(
        draw(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 5)), max_size=12))
    ):
        if draw(st.booleans()):
            found.append(literal_range(b"x" * size))
        else:
            found.append(Range(OutputPiece(str(index), start + size), start, start + size))
    return found


def bytes_in(found: list[Range]) -> list[tuple[object, int]]:
    return [(each.piece, at) for each in found for at in range(each.start, each.end)]


@given(ranges())
def test_every_byte_is_in_one_part_in_order(found: list[Range]) -> None:
    parts = plan_parts(found, LEAST, MOST)
    assert bytes_in([each for part in parts for each in part.ranges]) == bytes_in(found)


@given(ranges())
def test_parts_are_as_large_as_s3_wants_them(found: list[Range]) -> None:
    parts = plan_parts(found, LEAST, MOST)
    assert all(part.size_bytes >= LEAST for part in parts[:-1])
    assert all(part.size_bytes <= MOST for part in parts if part.copied)
    assert all(part.size_bytes > 0 for part in parts)


@given(ranges())
def test_what_is_copied_is_one_range_of_a_large_object(found: list[Range]) -> None:
    for part in plan_parts(found, LEAST, MOST):
        if part.copied:
            (copied,) = part.ranges
            assert copied.piece is not None
            assert copied.size_bytes >= LEAST


@given(ranges())
def test_what_is_sent_again_is_no_more_than_it_takes(found: list[Range]) -> None:
    """Memory is bound by a part, or by what is known already."""
    longest = max((len(each.body) for each in found), default=0)
    for part in plan_parts(found, LEAST, MOST):
        if not part.copied:
            assert part.size_bytes < LEAST + max(longest, LEAST)


def test_large_parts_are_copied_whole() -> None:
    pieces = [OutputPiece(name, 50) for name in "abc"]
    parts = plan_parts([Range(piece, 0, 50) for piece in pieces], LEAST, 100)
    assert parts == [Part((Range(piece, 0, 50),), copied=True) for piece in pieces]


def test_a_small_part_takes_the_begin_of_the_large_one_behind_it() -> None:
    small, large = OutputPiece("s", 3), OutputPiece("l", 50)
    parts = plan_parts([Range(small, 0, 3), Range(large, 0, 50)], LEAST, 100)
    assert parts == [
        Part((Range(small, 0, 3), Range(large, 0, 7)), copied=False),
        Part((Range(large, 7, 50),), copied=True),
    ]


@given(st.integers(0, 50), st.integers(1, 7))
def test_parts_are_divided_evenly_where_one_object_cannot_hold_them(count: int, most: int) -> None:
    parts = [Part((literal_range(b"x"),), copied=False)] * count
    found = split_parts(parts, most)
    assert sum(map(len, found)) == count
    assert max(map(len, found)) <= most
    assert max(map(len, found)) - min(map(len, found)) < most


def test_more_parts_than_an_object_may_have_are_joined_in_two_steps() -> None:
    mib = 2**20
    objects = InMemoryObjects()
    output = Address("bucket", "o/")
    records = []
    for index in range(7):
        source = objects.upload(f"s3://bucket/o/parts/{index}", bytes([index]) * 5 * mib)
        piece = OutputPiece(source.key, source.size_bytes, source.version_id)
        records.append(ShardRecord(job="j", index=index, status="done", pieces=(piece,)))
    with ThreadPoolExecutor(2) as pool:
        joining = Join(objects, output, Layout(format="jsonl"), pool, most_parts=3)
        target = joining.write(records)

    body = objects.get(target)
    assert body == b"".join(bytes([index]) * 5 * mib for index in range(7))
    assert not [name for name in objects.under("s3://bucket/o/") if "joined" in name]
