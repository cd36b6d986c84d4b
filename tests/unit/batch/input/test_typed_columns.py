"""What a typed column gives in each datatype: the same value, or none and the reason."""

import datetime as dt
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from serval.batch.input.typed_columns import convert_column, why_unfit
from serval.errors import BatchRefused

BIG = 2**24 + 1
MOMENT = dt.datetime(2024, 2, 3, 4, 5, 6, 700_000)


@pytest.mark.parametrize(
    ("values", "datatype", "expected"),
    [
        ([1, 127, 128, -129], "INT8", [1, 127, None, None]),
        ([-1, 0], "UINT64", [None, 0]),
        ([2**24, BIG, BIG + 1], "FP32", [2.0**24, None, BIG + 1.0]),
        ([2**53, 2**53 + 1], "FP64", [2.0**53, None]),
        ([2048, 2049], "FP16", [2048.0, None]),
        ([0, 1, 7], "BOOL", [False, True, None]),
        ([-7, 8], "BYTES", ["-7", "8"]),
        ([1.0, 2.5, float("nan"), 1e300], "INT64", [1, None, None, None]),
        ([2.0**63, -(2.0**63)], "INT64", [None, -(2**63)]),
        ([0.1, 1e39], "FP32", [pytest.approx(0.1), None]),
        ([0.0, 1.0, 0.5], "BOOL", [False, True, None]),
        ([1.0, 0.5], "BYTES", [None, None]),
        ([Decimal("1.10"), Decimal("2.00")], "INT64", [None, 2]),
        ([Decimal("1.10"), Decimal("2.00")], "FP64", [1.1, 2.0]),
        ([Decimal("1.10"), Decimal("1.00"), Decimal("0.00")], "BOOL", [None, True, False]),
        ([Decimal("1.10")], "BYTES", ["1.10"]),
        ([True, False], "FP32", [1.0, 0.0]),
        ([True, False], "INT8", [1, 0]),
        ([True], "BYTES", ["true"]),
        (["1", " 2", "x", "1.5"], "INT64", [1, 2, None, None]),
        ([b"1", b"\xff"], "FP32", [None, None]),
        ([b"1", b"\xff"], "BYTES", [b"1", b"\xff"]),
        ([None, None], "FP32", [None, None]),
        ([None], "BYTES", [None]),
        ([dt.date(2024, 2, 3)], "FP32", [None]),
        ([dt.date(2024, 2, 3)], "BOOL", [None]),
        ([dt.date(2024, 2, 3)], "BYTES", ["2024-02-03"]),
        ([MOMENT], "INT64", [None]),
        ([MOMENT], "BYTES", ["2024-02-03T04:05:06.700"]),
        ([MOMENT.replace(microsecond=0)], "BYTES", ["2024-02-03T04:05:06"]),
        ([dt.time(1, 2, 3, 4)], "BYTES", ["01:02:03.000004"]),
        ([dt.time(1, 2, 3)], "FP64", [None]),
        ([dt.timedelta(days=1, seconds=2)], "BYTES", ["P1DT2S"]),
        ([dt.timedelta(1)], "INT32", [None]),
    ],
)
def test_a_value_changes_its_kind_only_without_loss(
    values: list[Any], datatype: str, expected: list[Any]
) -> None:
    assert convert_column(pl.Series("c", values), datatype).to_list() == expected


@pytest.mark.parametrize("dtype", [pl.Categorical, pl.Enum(["1", "b"])])
def test_categories_are_their_values(dtype: Any) -> None:
    column = pl.Series("c", ["1", "b"]).cast(dtype)
    assert convert_column(column, "BYTES").to_list() == ["1", "b"]
    assert convert_column(column, "INT64").to_list() == [1, None]
    assert why_unfit(column, 1, "INT64") == "'b' is no INT64"


def test_a_number_in_text_is_the_nearest_one_as_it_is_in_a_request() -> None:
    assert convert_column(pl.Series([str(BIG)]), "FP32").to_list() == [2.0**24]


def test_a_moment_of_a_zone_has_its_offset() -> None:
    column = pl.Series([MOMENT]).cast(pl.Datetime("us", "Asia/Kolkata"))
    assert convert_column(column, "BYTES").to_list() == ["2024-02-03T09:35:06.700+05:30"]


@pytest.mark.parametrize(
    "column",
    [
        pl.Series([0, 3_000_000, -2_000_000, 2**31 - 1], dtype=pl.Int32).cast(pl.Date),
        pl.Series([0, 2**62, -(2**62), 2**63 - 1]).cast(pl.Datetime("us")),
        pl.Series([0, 2**62, -(2**62), 2**63 - 1]).cast(pl.Datetime("ms", "UTC")),
    ],
)
def test_a_moment_in_no_year_of_four_digits_is_no_text(column: pl.Series) -> None:
    assert [text is None for text in convert_column(column, "BYTES")] == [False, True, True, True]
    assert "is in no year from 1 to 9999" in why_unfit(column, 3, "BYTES")


@pytest.mark.parametrize(
    ("column", "times", "datatype", "expected"),
    [
        (pl.Series([dt.date(1970, 1, 3)]), "days", "FP32", [2.0]),
        (pl.Series([dt.date(1970, 1, 3)]), "seconds", "INT64", [172_800]),
        (pl.Series([MOMENT]), "seconds", "INT64", [None]),
        (pl.Series([MOMENT]), "seconds", "FP64", [1_706_933_106.7]),
        (pl.Series([MOMENT]), "milliseconds", "INT64", [1_706_933_106_700]),
        (pl.Series([dt.datetime(2024, 2, 3, 4, 5, 7)]), "seconds", "FP32", [None]),
        (pl.Series([dt.time(0, 1)]), "seconds", "INT32", [60]),
        (pl.Series([dt.timedelta(hours=1), None]), "seconds", "FP32", [3600.0, None]),
        (pl.Series([dt.date(1970, 1, 3)]), "days", "BYTES", ["1970-01-03"]),
    ],
)
def test_a_job_may_say_what_moments_are_counted_in(
    column: pl.Series, times: str, datatype: str, expected: list[Any]
) -> None:
    assert convert_column(column, datatype, times).to_list() == expected


@pytest.mark.parametrize(
    ("values", "datatype", "reason"),
    [
        ([Decimal("1.10")], "INT64", "1.10 is no INT64"),
        ([BIG], "FP32", "16777217 does not fit FP32 exactly"),
        ([1e39], "FP32", "1e+39 does not fit FP32"),
        ([300], "UINT8", "300 is no UINT8"),
        ([7], "BOOL", "7 is no BOOL"),
        ([1.5], "BYTES", "1.5 is no text; write the column as text"),
        ([b"\xff"], "FP32", "b'\\xff' is no FP32"),
        (
            [dt.date(2024, 2, 3)],
            "FP32",
            "2024-02-03 is a date or a time, no FP32; the job's 'times' says how to count it",
        ),
    ],
)
def test_why_a_value_does_not_fit_is_said(values: list[Any], datatype: str, reason: str) -> None:
    assert why_unfit(pl.Series(values), 0, datatype) == reason


def test_no_column_fills_a_datatype_without_numbers_of_its_own() -> None:
    with pytest.raises(BatchRefused, match="no column fills inputs of datatype BF16"):
        convert_column(pl.Series([1.0]), "BF16")
