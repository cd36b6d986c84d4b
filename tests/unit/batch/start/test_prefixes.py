"""One prefix, several jobs: each is run as it was asked, and none touches another's files."""

import pytest

from serval.batch.job.job import BatchJob
from tests.fakes.batch import DATA, BatchStage

SAME = {"output": {"prefix": f"s3://{DATA}/batch/adding/answers/"}}
STRAIGHT = {**SAME, "columns": {"x": ["a", "b"]}}
SWAPPED = {**SAME, "columns": {"x": ["b", "a"]}}


def twice_of(stage: BatchStage, job: BatchJob) -> list[str]:
    """Give the columns of the output that tell which of two columns came first."""
    assert job.status == "succeeded", job.error
    lines = stage.output(job, "output.csv").decode().splitlines()
    return [line.partition(",")[2] for line in lines[1:]]


@pytest.mark.parametrize(
    ("first", "second"),
    [(STRAIGHT, SWAPPED), (SWAPPED, STRAIGHT)],
    ids=["swapped second", "swapped first"],
)
def test_the_next_job_of_a_prefix_is_run_with_its_own_columns(first, second) -> None:
    stage = BatchStage()
    expected = {id(STRAIGHT): ["2,4", "6,8"], id(SWAPPED): ["4,2", "8,6"]}
    for number, options in enumerate((first, second)):
        event = stage.upload(f"{number}.csv", b"a,b\n1,2\n3,4\n", options)
        job = stage.run(event, owner=f"execution {number}")
        assert twice_of(stage, job) == expected[id(options)]


def test_the_next_job_of_a_prefix_is_read_as_its_own_file_is_written() -> None:
    stage = BatchStage()
    stage.run(stage.upload("a.csv", b"x_0,x_1\n1,2\n", SAME), owner="one")
    job = stage.run(stage.upload("b.csv", b"note;x_1;x_0\nn;1;2\n", SAME), owner="two")
    assert twice_of(stage, job) == ["4,2"]
