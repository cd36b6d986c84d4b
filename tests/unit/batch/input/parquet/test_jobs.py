"""Whole jobs over Parquet files as others write them."""

import base64
import datetime as dt
import io
import json
import struct
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import pytest

from serval.batch.input.parquet.footer import KEY_VALUES, MAGIC, read_footer
from serval.batch.input.parquet.thrift import BINARY, Reader, TypedValue, write_bytes
from serval.batch.job.job import BatchJob
from serval.batch.job.keys import Source
from serval.models.signature import Signature, TensorSpec
from serval.models.tensor import Tensor
from tests.fakes.batch import BatchStage, scheduled

VALUE = 2


class Same:
    """A model that gives what it gets."""

    def __init__(self) -> None:
        self.most_bytes = 0

    def run(self, inputs: Sequence[Tensor], outputs: Sequence[TensorSpec]) -> list[Tensor]:
        (given,), (wanted,) = inputs, outputs
        if given.datatype == "BYTES":
            self.most_bytes = max(self.most_bytes, sum(map(len, given.array.ravel())))
        return [Tensor(wanted.name, wanted.datatype, given.array)]


def same(datatype: str, *extents: int) -> Signature:
    return Signature(
        (TensorSpec("x", datatype, (-1, *extents)),), (TensorSpec("y", datatype, (-1, *extents)),)
    )


def parquet(frame: pl.DataFrame, **options: Any) -> bytes:
    target = io.BytesIO()
    frame.write_parquet(target, **options)
    return target.getvalue()


def over(stage: BatchStage, files: dict[str, bytes], **options: Any) -> BatchJob:
    """Run a job over the files of a prefix."""
    for name, body in files.items():
        stage.objects.upload(f"s3://in-bucket/p/{name}", body)
    return stage.run(scheduled("s3://in-bucket/p/", options, output="s3://out-bucket/{job}/"))


def output(stage: BatchStage, job: BatchJob) -> pl.DataFrame:
    assert (job.status, job.error) == ("succeeded", None)
    return pl.read_parquet(io.BytesIO(stage.output(job, "output.parquet")))


def with_an_offset(data: bytes) -> bytes:
    """Say that times are those of ``+05:30``, as pandas does."""
    footer = read_footer(data, len(data))
    fields = Reader(footer.data).struct()
    [schema] = fields[KEY_VALUES].value.values
    told = base64.b64decode(schema[VALUE].value).replace(b"Israel", b"+05:30")
    schema[VALUE] = TypedValue(BINARY, base64.b64encode(told))
    end = write_bytes(fields)
    return data[: footer.body_end] + end + struct.pack("<I", len(end)) + MAGIC


OFFSET = with_an_offset(
    parquet(
        pl.DataFrame(
            {
                "x": [1.5, 2.5],
                "at": pl.Series([dt.datetime(2024, 1, 1, tzinfo=dt.UTC)] * 2).cast(
                    pl.Datetime("us", "Israel")
                ),
            }
        )
    )
)


def test_a_column_that_polars_panics_at_is_passed_over_where_nobody_asks_for_it() -> None:
    stage = BatchStage(same("FP32"), Same())
    job = stage.run(stage.upload("t.parquet", OFFSET))
    assert output(stage, job)["y"].to_list() == [1.5, 2.5]


def test_times_of_a_zone_without_a_name_are_joined_in_utc() -> None:
    stage = BatchStage(same("FP32"), Same())
    job = stage.run(stage.upload("t.parquet", OFFSET, {"output": {"join": True}}))
    assert output(stage, job)["at"][0] == dt.datetime(2024, 1, 1, tzinfo=dt.UTC)


@pytest.mark.parametrize("at_first", [0, 1])
def test_whole_numbers_and_floats_of_several_files_are_joined_as_floats(at_first: int) -> None:
    chunks = [pl.DataFrame({"x": [1, 2]}), pl.DataFrame({"x": [0.5, None]})]
    names = ["a", "b"] if at_first == 0 else ["b", "a"]
    stage = BatchStage(same("FP32"), Same())
    files = {f"{name}.parquet": parquet(frame) for name, frame in zip(names, chunks, strict=True)}

    job = over(stage, files, output={"join": True}, max_rejected_percent=100)

    found = output(stage, job)
    assert found.schema["x"] == pl.Float64
    assert sorted(found["x"].to_list()) == [0.5, 1, 2]
    assert found["y"].to_list() == found["x"].to_list()
    assert job.rejected == 1


def test_a_whole_number_that_would_not_be_the_same_as_a_float_ends_the_job() -> None:
    stage = BatchStage(same("FP32"), Same())
    files = {
        "a.parquet": parquet(pl.DataFrame({"x": [1.0], "id": [2**53 + 1]})),
        "b.parquet": parquet(pl.DataFrame({"x": [1.0], "id": [0.5]})),
    }
    job = over(stage, files, output={"join": True})
    assert job.status == "failed"
    assert "column 'id': a value of Int64 is not the same as Float64" in (job.error or "")


def test_columns_that_fit_no_common_type_are_refused_with_both_files() -> None:
    stage = BatchStage(same("FP32"), Same())
    files = {
        "a.parquet": parquet(pl.DataFrame({"x": [1.0], "id": [1]})),
        "b.parquet": parquet(pl.DataFrame({"x": [1.0], "id": ["a"]})),
    }
    job = over(stage, files, output={"join": True})
    assert (job.status, job.shards) == ("failed", 0)
    assert "s3://in-bucket/p/b.parquet: column 'id' is String, in s3://in-bucket/p/a.parquet" in (
        job.error or ""
    )


def test_types_of_files_are_of_no_matter_where_nothing_is_joined() -> None:
    stage = BatchStage(same("FP32"), Same())
    files = {
        "a.parquet": parquet(pl.DataFrame({"x": [1], "id": [1]})),
        "b.parquet": parquet(pl.DataFrame({"x": ["2.5"], "id": ["a"]})),
    }
    assert output(stage, over(stage, files))["y"].to_list() == [1, 2.5]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("_delta_log/00000000000000000000.json", "Delta Lake"),
        ("metadata/v1.metadata.json", "Iceberg"),
        (".hoodie/hoodie.properties", "Hudi"),
    ],
)
def test_the_folder_of_a_table_is_refused_since_its_files_are_not_its_rows(
    name: str, kind: str
) -> None:
    stage = BatchStage(same("FP32"), Same())
    job = over(stage, {"a.parquet": parquet(pl.DataFrame({"x": [1.0]})), name: b"{}"})
    assert job.status == "failed"
    assert f"makes s3://in-bucket/p/ a table of {kind}" in (job.error or "")


def test_dates_and_durations_stay_what_they_are_where_they_are_joined() -> None:
    frame = pl.DataFrame(
        {
            "x": [1.0, 2.0],
            "day": [dt.date(2024, 1, 1), None],
            "took": [dt.timedelta(seconds=3), None],
            "kind": pl.Series(["a", "b"]).cast(pl.Categorical),
            "price": [Decimal("1.10"), None],
        }
    )
    stage = BatchStage(same("FP32"), Same())
    job = stage.run(stage.upload("t.parquet", parquet(frame), {"output": {"join": True}}))
    assert output(stage, job).drop("y").equals(frame)


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 10**9])
def test_no_shard_goes_through_a_footer_that_the_plan_has_gone_through(size: int) -> None:
    frame = pl.DataFrame({"x": np.arange(200.0), "other": np.arange(200.0)})
    body = parquet(frame, row_group_size=20)
    end = read_footer(body, len(body)).body_end
    stage = BatchStage(same("FP32"), Same())
    read: list[int] = []
    stage.before_shard = lambda index: read.clear() if index == 0 else None
    whole = stage.objects.read

    def noted(source: Source, start: int, behind: int, piece_bytes: int) -> Iterator[bytes]:
        read.append(behind)
        return whole(source, start, behind, piece_bytes)

    stage.objects.read = noted  # type: ignore[method-assign]
    job = stage.run(stage.upload("t.parquet", body, {"shard_bytes": size}))

    assert output(stage, job)["y"].to_list() == frame["x"].to_list()
    assert len(read) >= job.shards
    assert max(read) <= end
    footers = stage.output(job, "plan/footers.jsonl").splitlines()
    assert len(footers) == job.shards


def test_text_that_is_repeated_is_answered_in_pieces_of_bounded_size() -> None:
    texts = [f"{index} " + "lorem ipsum " * 20_000 for index in range(3)]
    frame = pl.DataFrame({"x": [texts[row % 3] for row in range(400)]})
    model = Same()
    signature = Signature(same("BYTES").inputs, (TensorSpec("y", "BYTES", (-1,)),))
    stage = BatchStage(signature, model, measurements={"best_batch_size": 10_000})
    body = parquet(frame)
    assert len(body) < 100_000

    job = stage.run(stage.upload("t.parquet", body))

    assert output(stage, job)["y"].to_list() == frame["x"].to_list()
    assert model.most_bytes <= 16 * 2**20


def test_a_parquet_decimal_with_digits_behind_the_point_is_no_integer() -> None:
    values = [Decimal("1.10"), Decimal("2.00"), Decimal("-0.75")]
    stage = BatchStage(same("INT64"), Same())
    options = {"max_rejected_percent": 100}
    job = stage.run(stage.upload("t.parquet", parquet(pl.DataFrame({"x": values})), options))
    assert output(stage, job)["y"].to_list() == [2]
    errors = list(map(json.loads, stage.output(job, "errors.jsonl").splitlines()))
    assert [(each["record"], each["reason"]) for each in errors] == [
        (0, "column 'x': 1.10 is no INT64"),
        (2, "column 'x': -0.75 is no INT64"),
    ]


@pytest.mark.parametrize(
    "column",
    [
        pl.Series([b"1"]),
        pl.Series([dt.time(1)]),
        pl.Series([dt.date(2024, 1, 1)]),
        pl.Series([dt.timedelta(1)]),
        pl.Series([dt.datetime(2024, 1, 1)]),
        pl.Series(["a"]).cast(pl.Categorical),
        pl.Series([None], dtype=pl.Null),
        pl.Series([2**31 - 1], dtype=pl.Int32).cast(pl.Date),
        pl.Series([2**62]).cast(pl.Datetime("ms")),
    ],
)
@pytest.mark.parametrize("datatype", ["FP32", "INT64", "BOOL"])
def test_a_column_of_another_kind_is_rejected_row_by_row(column: pl.Series, datatype: str) -> None:
    stage = BatchStage(same(datatype), Same())
    body = parquet(pl.DataFrame({"x": column}))
    job = stage.run(stage.upload("t.parquet", body, {"max_rejected_percent": 100}))
    assert (job.status, job.error, job.rows, job.rejected) == ("succeeded", None, 0, 1)


def test_a_moment_that_int96_cannot_give_is_rejected() -> None:
    """polars gives the last one that 64 bits of nanoseconds hold in its place."""
    moments = pl.Series([0, 2**63 - 1, None]).cast(pl.Datetime("ns"))
    frame = pl.DataFrame({"x": [1.0, 2.0, 3.0], "at": moments})
    stage = BatchStage(same("FP32"), Same())
    options = {"output": {"join": True}, "max_rejected_percent": 50}
    job = stage.run(stage.upload("t.parquet", parquet(frame), options))
    assert output(stage, job)["y"].to_list() == [1, 3]
    assert b"is in no year from 1 to 9999" in stage.output(job, "errors.jsonl")


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (pl.Series([-1], dtype=pl.Int8), pl.Series([2**63], dtype=pl.UInt64), [-1, 2**63]),
        (pl.Series([1.5], dtype=pl.Float32), pl.Series([2**40]), [1.5, 2.0**40]),
        (pl.Series([Decimal("1.1")]), pl.Series([Decimal("1.123")]), [1.1, 1.123]),
        (pl.Series([None]), pl.Series([dt.date(2024, 1, 1)]), [None, dt.date(2024, 1, 1)]),
        (pl.Series(["a"]).cast(pl.Categorical), pl.Series(["b"]), ["a", "b"]),
        (
            pl.Series(["a"], dtype=pl.Enum(["a"])),
            pl.Series(["b"], dtype=pl.Enum(["b"])),
            ["a", "b"],
        ),
    ],
)
def test_a_column_of_two_types_is_joined_in_one_that_holds_both(
    first: pl.Series, second: pl.Series, expected: list[Any]
) -> None:
    stage = BatchStage(same("FP32"), Same())
    files = {
        f"{name}.parquet": parquet(pl.DataFrame({"x": [1.0], "k": column}))
        for name, column in (("a", first), ("b", second))
    }
    found = output(stage, over(stage, files, output={"join": True}))["k"].to_list()
    assert found == [
        Decimal(str(value)) if isinstance(found[0], Decimal) else value for value in expected
    ]
