"""What is asked of a batch job: what is understood, and what is refused by its name."""

from datetime import UTC, datetime
from typing import Any

import pytest

from serval.batch.start.job_request import MOST_INPUTS, JobRequest
from serval.errors import BatchRefused

NOW = datetime(2026, 11, 21, 10, 15, tzinfo=UTC)


def asked(**body: Any) -> JobRequest:
    return JobRequest.from_json("iris", body)


def output(**body: Any) -> str:
    return str(asked(**body).output("data", "j1", NOW))


def test_an_input_is_enough() -> None:
    job = asked(input="s3://data/batch/iris/in/rows.csv")
    assert job.input == ("s3://data/batch/iris/in/rows.csv",)
    assert str(job.output("data", "j1", NOW)) == "s3://data/batch/iris/out/j1/"


def test_inputs_may_be_listed() -> None:
    assert asked(input=["s3://one/a", "s3://two/b"]).input == ("s3://one/a", "s3://two/b")


def test_an_output_is_named_beside_the_options_or_among_them() -> None:
    beside = asked(input="s3://one/a", output="s3://out/x", options={"concurrency": 2})
    among = asked(
        input="s3://one/a", options={"concurrency": 2, "output": {"prefix": "s3://out/x"}}
    )
    assert beside == among
    assert str(beside.output("data", "j1", NOW)) == "s3://out/x/"


def test_the_words_of_an_output_are_filled_in() -> None:
    template = "s3://out/{model}/{date}/{time}/{job}"
    assert output(input="s3://one/a", output=template) == "s3://out/iris/2026-11-21/10-15-00/j1/"


def test_the_words_of_an_input_are_those_of_a_schedule() -> None:
    job = asked(input="s3://one/{model}/{date}/").fill_templates(NOW)
    assert job.input == ("s3://one/iris/2026-11-21/",)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (None, """null given, {"input": "s3://…"} expected"""),
        ([], """[] given, {"input": "s3://…"} expected"""),
        ({}, "input: null given, 's3://bucket/key', 's3://bucket/prefix/' or a list"),
        ({"input": []}, "input: [] given"),
        ({"input": {"s3": 1}}, "input: {'s3': 1} given"),
        ({"input": "rows.csv"}, "input: 'rows.csv' given, 's3://bucket/key' expected"),
        ({"input": ["s3://one/a", 7]}, "input: 7 given, 's3://bucket/key' expected"),
        ({"input": ["s3://one/a"] * (MOST_INPUTS + 1)}, "input: 1001 addresses given, at most"),
        ({"input": ["s3://one/" + "a" * 1000] * 300}, "the job is described in 303,9"),
        ({"input": "s3://one/\ud800"}, "a text of the body is not Unicode"),
        ({"input": "s3://one/a", "\ud800": 1}, "'\\ud800' is not known"),
        ({"input": "s3://one/a", "ouput": "s3://x/"}, "'ouput' is not known; there is input,"),
        ({"input": "s3://one/a", "output": 5}, "output: 5 given, 's3://bucket/key' expected"),
        ({"input": "s3://one/a", "options": [1]}, "options: [1] given, an object expected"),
        (
            {"input": "s3://one/a", "output": "s3://x-1/", "options": {"output": {"prefix": "s3://y"}}},
            "output: 's3://x-1/' given, and options.output.prefix is 's3://y': one of them",
        ),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_named(body: Any, problem: str) -> None:
    with pytest.raises(BatchRefused) as refused:
        JobRequest.from_json("iris", body)
    assert str(refused.value).startswith(problem)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (
            {"input": "s3://one/in/", "output": "s3://one/in/out/"},
            "output s3://one/in/out/ overlaps input s3://one/in/",
        ),
        (
            {"input": "s3://one/a", "output": "s3://data/batch/iris/in/x/"},
            "output s3://data/batch/iris/in/x/ is where uploads start batch jobs",
        ),
        (
            {"input": "s3://one/a", "output": "s3://out/{when}/"},
            "'s3://out/{when}/': {when} is not",
        ),
    ],
)
def test_an_output_that_would_loop_is_refused(body: Any, problem: str) -> None:
    with pytest.raises(BatchRefused) as refused:
        output(**body)
    assert str(refused.value).startswith(problem)
