"""Addresses of batch jobs: which uploads start one, and where outputs may not go."""

from datetime import UTC, datetime

import pytest

from serval.batch.job.keys import (
    Address,
    JobKeys,
    check_apart,
    default_output,
    fill_template,
    parse_input_key,
    read_address,
)
from serval.errors import BatchRefused


@pytest.mark.parametrize(
    ("key", "model"),
    [
        ("batch/iris/in/rows.csv", "iris"),
        ("batch/iris/in/2026/11/rows 1.csv", "iris"),
        ("batch/iris/in/", None),
        ("batch/iris/in/folder/", None),
        ("batch/iris/in/rows.csv.options.json", None),
        ("batch/iris/in/.hidden", None),
        ("batch/iris/in/_SUCCESS", None),
        ("batch/iris/out/j1/in/rows.csv", None),
        ("batch/Iris/in/rows.csv", None),
        ("batch/iris%2Fin/rows.csv", None),
        ("async/iris/in/rows.csv", None),
        ("batch/a/b/in/rows.csv", None),
    ],
)
def test_an_upload_under_in_starts_a_job_of_its_model(key: str, model: str | None) -> None:
    assert parse_input_key(key) == model


@pytest.mark.parametrize("text", ["rows.csv", "s3://b/x", "s3:/bucket/x", "https://x/y", None, 3])
def test_what_is_no_address_is_refused(text: object) -> None:
    with pytest.raises(BatchRefused, match=r"input: .* given, 's3://bucket/key' expected"):
        read_address(text, "input")


def test_templates_are_filled_in() -> None:
    moment = datetime(2026, 11, 21, 3, 4, 5, tzinfo=UTC)
    assert fill_template("s3://b/{model}/{date}/{time}-{job}/", "iris", "j1", moment) == (
        "s3://b/iris/2026-11-21/03-04-05-j1/"
    )
    with pytest.raises(BatchRefused, match=r"\{day\} is not known; there is \{date\}, \{time\}"):
        fill_template("s3://b/{day}/", "iris", "j1", moment)


@pytest.mark.parametrize(
    ("output", "found", "apart"),
    [
        ("s3://bkt/out/", "s3://bkt/in/", True),
        ("s3://bkt/in/out/", "s3://bkt/in/", False),
        ("s3://bkt/in/", "s3://bkt/in/", False),
        ("s3://bkt/", "s3://bkt/in/rows.csv", False),
        ("s3://bkt/in/", "s3://bkt/in/rows.csv", False),
        ("s3://bkt/in/rows.csv.out/", "s3://bkt/in/rows.csv", True),
        ("s3://other/in/", "s3://bkt/in/", True),
        ("s3://data/batch/iris/in/x/", "s3://bkt/in/", False),
        ("s3://data/batch/iris/in", "s3://bkt/in/", False),
        ("s3://data/batch/iris/out/x/", "s3://bkt/in/", True),
    ],
)
def test_an_output_that_would_be_read_again_is_refused(output, found, apart) -> None:
    addresses = read_address(output, "output"), [read_address(found, "input")]
    if apart:
        check_apart(*addresses, "data")
        return
    with pytest.raises(BatchRefused, match=r"overlaps input|is where uploads start batch jobs"):
        check_apart(*addresses, "data")


def test_a_job_has_a_prefix_of_its_own() -> None:
    assert default_output("data", "iris", "j1") == Address("data", "batch/iris/out/j1/")
    keys = JobKeys("o/")
    assert keys.part(12, "csv") == "o/parts/00012.csv"
    assert keys.part(12, "csv", 2) == "o/parts/00012-2.csv"
    assert keys.errors_of(12) == "o/errors/00012.jsonl"
