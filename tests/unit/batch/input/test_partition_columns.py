"""Columns in the keys of files."""

import pytest

from serval.batch.input.columns import ColumnChoice, match_columns
from serval.batch.input.partition_columns import partition_names, partition_of
from serval.batch.job.keys import Address, Source
from serval.errors import BatchRefused
from serval.models.signature import TensorSpec

IN = Address("data", "in/")
X, DAY = TensorSpec("x", "FP32", (-1, 2)), TensorSpec("day", "BYTES", (-1,))


def sources(*keys: str) -> list[Source]:
    return [Source("data", key, 10, "etag") for key in keys]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("in/country=de/day=2026-11-01/part.csv", {"country": "de", "day": "2026-11-01"}),
        ("in/a/country=S%C3%A3o%20Tom%C3%A9/b/part.csv", {"country": "São Tomé"}),
        ("in/a%3Db=c%3Dd=e%2Ff/part.csv", {"a=b": "c=d=e/f"}),
        ("in/country=__HIVE_DEFAULT_PARTITION__/part.csv", {"country": None}),
        ("in/country=/part.csv", {"country": None}),
        ("in/=de/x=1.csv", {}),
        ("in/x=1.csv", {}),
        ("in/part.csv", {}),
    ],
)
def test_folders_below_the_prefix_are_columns(key: str, expected: dict[str, str | None]) -> None:
    (source,) = sources(key)
    names = partition_names([source], [IN])
    assert partition_of(source, names) == expected


def test_folders_of_the_prefix_itself_are_none() -> None:
    own = sources("in/country=de/day=1/part.csv")
    assert partition_names(own, [Address("data", "in/country=de/")]) == ("day",)
    assert partition_names(own, [own[0].address]) == ()


def test_the_value_is_that_below_the_prefix() -> None:
    (source,) = sources("in/day=1/x/day=2/part.csv")
    names = partition_names([source], [Address("data", "in/day=1/")])
    assert partition_of(source, names) == {"day": "2"}


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        (
            ("in/country=de/1.csv", "in/day=1/2.csv"),
            "in/day=1/2.csv: the partitions of its key are 'day'; those of the first file are 'cou",
        ),
        (("in/country=de/1.csv", "in/z.csv"), "in/z.csv: the partitions of its key are none"),
        (("in/a.csv", "in/country=de/1.csv"), "those of the first file are none: make a job of"),
        (("in/a=1/a=2/x.csv",), "in/a=1/a=2/x.csv: its key has a partition twice"),
        (("in/a=%FF/x.csv",), "in/a=%FF/x.csv: its key has what is no UTF-8 in a partition"),
    ],
)
def test_files_of_other_partitions_are_refused(keys: tuple[str, ...], reason: str) -> None:
    with pytest.raises(BatchRefused) as refused:
        partition_names(sources(*keys), [IN])
    assert reason in str(refused.value)


def test_the_order_of_partitions_is_no_matter() -> None:
    assert partition_names(sources("in/a=1/b=2/x", "in/b=1/a=2/y"), [IN]) == ("a", "b")


def test_a_partition_never_fills_an_input_by_its_place() -> None:
    positional = ColumnChoice(positional=True)
    with pytest.raises(BatchRefused, match="the file has 2 columns"):
        match_columns([X, DAY], ["a", "b"], positional, partitions=["day"])
    with pytest.raises(BatchRefused, match="the file has 2 columns"):
        match_columns([X, DAY], ["column_0", "column_1"], named=[], partitions=["day"])


def test_a_partition_fills_an_input_by_its_name_beside_columns_without_names() -> None:
    choice = ColumnChoice({"x": ["column_0", "column_1"]})
    found = match_columns([X, DAY], ["column_0", "column_1"], choice, named=[], partitions=["day"])
    assert [each.columns for each in found] == [("column_0", "column_1"), ("day",)]
