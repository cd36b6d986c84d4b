"""How large shards are, and which files share one."""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serval.batch.input.records import RECORD_LIMIT_BYTES
from serval.batch.job.cost import (
    PRICES,
    SECONDS_TO_BEGIN,
    SECONDS_TO_START,
    JobWork,
    Usage,
    actual_usage,
    expected_seconds_per_row,
    seconds_per_row,
)
from serval.batch.job.job import BatchJob, OutputPiece, ShardRecord
from serval.batch.job.keys import Source
from serval.batch.job.layout import Layout, ShardItem
from serval.batch.job.options import JobOptions, OutputOptions
from serval.batch.plan.draft import Pace
from serval.batch.plan.pack import (
    BAND,
    MOST_SHARDS,
    PROBE_BYTES,
    LineTooLong,
    Packer,
    count_shards,
    group_files,
    least_shard_bytes,
    next_line,
    row_cuts,
)
from tests.fakes.inference import signature, version_record
from tests.fakes.objects import InMemoryObjects

RECORD = version_record("m", "1", b"", signature("FP32", (-1, 2)))
sizes = st.lists(st.integers(1, 500), min_size=1, max_size=40)


@given(sizes, st.integers(1, 300))
def test_every_file_is_in_one_run_in_order(found: list[int], shard_bytes: int) -> None:
    runs = group_files(shard_bytes, found, most=7)
    assert [index for first, last, _ in runs for index in range(first, last)] == list(
        range(len(found))
    )
    for first, last, shared in runs:
        assert 0 < last - first <= 7
        if shared:
            assert sum(found[first:last]) <= shard_bytes
        else:
            assert last - first == 1
            assert found[first] > shard_bytes


@given(st.lists(st.integers(1, 10**12), min_size=1, max_size=20), st.integers(1, 64 * 2**20))
def test_there_are_never_more_than_ten_thousand_shards(found: list[int], wished: int) -> None:
    size = least_shard_bytes(wished, found)
    assert size >= wished
    assert count_shards(size, found) <= MOST_SHARDS


@given(st.lists(st.integers(0, 50), max_size=20), st.integers(1, 60))
def test_row_groups_are_cut_into_shards_of_about_equal_rows(groups: list[int], most: int) -> None:
    cuts = row_cuts(groups, most)
    assert [row for start, end in cuts for row in range(start, end)] == list(range(sum(groups)))
    assert all(0 < end - start <= most for start, end in cuts)


def test_row_groups_that_fit_are_kept_whole() -> None:
    assert row_cuts([10, 10, 10, 10, 35], 20) == [(0, 20), (20, 40), (40, 58), (58, 75)]


def test_a_shard_has_at_most_five_minutes_of_work() -> None:
    pace = Pace(2.0, 8)
    assert pace.shard_bytes(64 * 2**20, 100) == 300 * 2 * 100
    assert pace.shard_bytes(1_000, 100) == 1_000
    assert Pace(1e-9, 1).shard_bytes(64 * 2**20, 100) == 1
    assert Pace(None, 1).shard_bytes(64 * 2**20, 100) == 64 * 2**20


def test_a_block_is_over_in_seconds() -> None:
    assert Pace(1_000, 8).block_bytes(100) == 5 * 1_000 * 100
    assert Pace(0.01, 8).block_bytes(100) == 64
    assert Pace(1e9, 8).block_bytes(100) == Pace(None, 8).block_bytes(100) == 4 * 2**20
    assert Pace(10, 8).block_rows(100) == 50
    assert Pace(0.01, 8).block_rows(10**9) == 1


def test_the_pace_is_what_was_measured_else_what_the_bundle_says() -> None:
    measured = replace(RECORD, measurements={"rows_per_second": 7.5, "best_batch_size": 16})
    assert Pace.of(measured) == Pace(7.5, 16)
    alone = replace(RECORD, measurements={"p50_ms": 250.0, "best_batch_size": 1})
    assert Pace.of(alone) == Pace(4.0, 1)
    assert Pace.of(replace(RECORD, bundle={"batching": {"max_batch_size": 4}})) == Pace(None, 4)
    assert Pace.of(RECORD) == Pace(None, 32)
    assert Pace.of(replace(RECORD, bundle={"compute": {"target": "fleet"}})) == Pace(10.0, 32)
    durable = replace(measured, runtime="pipeline", bundle={"durable": True})
    assert Pace.of(durable) == Pace(10.0, 32)


def work(**members: object) -> JobWork:
    plain = JobWork(
        shards=16, rows=1_000_000, read_bytes=40 * 2**20, seconds_per_row=1e-6, concurrency=10,
        memory_mib=1769,
    )  # fmt: skip
    return replace(plain, **members)  # type: ignore[arg-type]


def test_more_rows_take_longer_and_cost_more() -> None:
    small, large = work(), work(rows=10**9, shards=1_000)
    assert small.seconds < large.seconds
    assert small.usage().microdollars() < large.usage().microdollars()
    assert work(shards=0).seconds == 0.0


def test_a_fleets_machines_cost_the_time_that_they_work() -> None:
    on_lambda, unknown = work(), work(memory_mib=0)
    priced = work(memory_mib=0, machine_microdollars_hour=400_000)
    assert unknown.usage().gb_seconds < on_lambda.usage().gb_seconds
    assert unknown.usage().machine_microdollars == on_lambda.usage().machine_microdollars == 0
    machines = priced.busy_seconds / 3600 * 400_000
    assert priced.usage().machine_microdollars == pytest.approx(machines)
    assert priced.usage().microdollars() - unknown.usage().microdollars() == round(machines)


def test_what_machines_cost_is_counted_for_shards_that_ran_on_them() -> None:
    shards = [
        ShardRecord(job="j", index=0, busy_ms=1_800_000),
        ShardRecord(job="j", index=1, busy_ms=9_000, memory_mib=1024),
    ]
    usage = actual_usage(job(machine_microdollars_hour=400_000), shards)
    assert usage.machine_microdollars == 200_000


def test_a_row_takes_as_long_as_the_slower_of_reading_and_answering() -> None:
    assert seconds_per_row(10.0, 100) == 0.1
    assert seconds_per_row(1e9, 60e6) == 1.0
    assert seconds_per_row(None, 60e6) == 1.0


def test_the_price_is_that_of_the_table() -> None:
    usage = Usage(gb_seconds=1e6, invocations=10**6, transitions=10**6, s3_writes=10**3)
    expected = 13.3334 + 0.20 + 25.0 + 0.005
    assert usage.microdollars() == pytest.approx(expected * 1e6, rel=1e-6)
    assert PRICES.dated == "2026-05"


def job(**members: object) -> BatchJob:
    plain = BatchJob(
        id="j", model="m", created="", updated="", status="succeeded", version="1", format="csv",
        rows=10_000, busy_ms=9_000, shards_done=4,
    )  # fmt: skip
    return replace(plain, **members)  # type: ignore[arg-type]


def test_what_it_took_is_counted_from_what_was_recorded() -> None:
    piece = OutputPiece("p", 1)
    shards = [
        ShardRecord(job="j", index=n, busy_ms=30_000, memory_mib=1024, pieces=(piece, piece))
        for n in range(4)
    ]
    usage = actual_usage(job(plan_ms=1_000, scan_ms=2_000, scans=3), shards, assemble_ms=7_000)
    assert usage.gb_seconds == pytest.approx(4 * 30 + 1.7 * 10)
    assert usage.invocations == 4 + 3 + 8


def test_a_job_like_one_before_is_thought_to_take_as_long() -> None:
    options = JobOptions()
    assert (
        expected_seconds_per_row([job()], "1", "csv", options, 1e9, 1)
        == (9 - 4 * SECONDS_TO_BEGIN) / 10_000
    )
    others = [
        job(version="2"), job(format="jsonl"), job(status="failed"), job(rows=10),
        job(options=JobOptions(output=OutputOptions(join=True))),
    ]  # fmt: skip
    assert expected_seconds_per_row(others, "1", "csv", options, 2.0, 1) == 0.5


@given(st.integers(1, 10**6), st.integers(1, 10**4), st.integers(1, 100))
def test_shards_that_run_at_once_take_as_long_as_one(rows: int, shards: int, most: int) -> None:
    waves = math.ceil(shards / most)
    found = work(rows=rows, shards=shards, concurrency=most, seconds_per_row=1.0)
    each = SECONDS_TO_BEGIN + rows / shards
    assert found.seconds == pytest.approx(SECONDS_TO_START + waves * each)


@dataclass
class CountedObjects(InMemoryObjects):
    """Objects, and how many bytes were read of them."""

    read_bytes: int = 0

    def read(self, source: Source, start: int, end: int, piece_bytes: int) -> Iterator[bytes]:
        for piece in super().read(source, start, end, piece_bytes):
            self.read_bytes += len(piece)
            yield piece


def cuts_of(body: bytes, shard_bytes: int) -> tuple[list[tuple[int, int]], int]:
    """Cut a file of lines; give the shards, and how many bytes were read for that."""
    objects = CountedObjects()
    objects.buckets["in-bucket"] = {}
    source = objects.upload("s3://in-bucket/rows.jsonl", body)
    with ThreadPoolExecutor(BAND) as pool:
        packer = Packer("j1", objects, Layout(format="jsonl"), shard_bytes, pool)
        outline = packer.pack([source], [source.size_bytes]).outline
    items = [item for item in outline if isinstance(item, ShardItem)]
    return [(item.start, item.end) for item in items], objects.read_bytes


@given(st.lists(st.integers(0, 60), min_size=1, max_size=60), st.integers(1, 40))
def test_a_file_of_lines_is_cut_behind_each_boundary(lengths: list[int], size: int) -> None:
    body = b"".join(b"x" * length + b"\n" for length in lengths)
    found, _ = cuts_of(body, size)
    if len(body) > size:
        wished = range(size, len(body), size)
        starts = sorted({0, *(body.index(b"\n", boundary - 1) + 1 for boundary in wished)})
        assert found == list(pairwise([*(s for s in starts if s < len(body)), len(body)]))


def test_a_line_over_the_limit_is_named() -> None:
    size = RECORD_LIMIT_BYTES + 200_000
    with pytest.raises(LineTooLong, match="byte 10: a line of more than 16777216 bytes"):
        next_line(size, 10, lambda start, end: b"x" * (end - start))


def test_a_byte_order_mark_is_left_out_of_the_first_shard() -> None:
    found, _ = cuts_of(b"\xef\xbb\xbf{}\n[]\n", 3)
    assert found == [(3, 6), (6, 9)]


def test_a_long_line_is_gone_through_once_for_a_band_of_boundaries() -> None:
    line = 2**21
    found, read_bytes = cuts_of(b"{}\n" + b"x" * line + b"\n{}\n", 1_000)
    assert found == [(0, line + 4), (line + 4, line + 7)]
    assert read_bytes <= BAND * (line + PROBE_BYTES)
