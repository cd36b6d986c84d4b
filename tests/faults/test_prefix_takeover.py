"""One prefix, one job after another: each with its own plan and its own parts, whatever dies."""

import itertools
import json
from typing import Any

import pytest

from serval.batch.job.job import BatchJob
from tests.fakes.batch import BatchStage
from tests.fakes.jobs import InMemoryJobs
from tests.fakes.registration import Crash
from tests.stateful.interruptions import Interrupted, Interrupting, Interruption

HERE = "s3://out-bucket/here/"
ROWS = b"a,b,c\n" + b"".join(b"%d,%d,%d\n" % (n, 10 * n, 100 * n) for n in range(1, 9))
COLUMNS = {"ab": ["a", "b"], "bc": ["b", "c"], "ca": ["c", "a"]}
SUMS = {"ab": 11, "bc": 110, "ca": 101}
"""What each choice of columns makes of the first row."""


def options(columns: str) -> dict[str, Any]:
    return {
        "columns": {"x": COLUMNS[columns]},
        "output": {"prefix": HERE},
        "shard_bytes": 24,
        "csv": {"quoted_newlines": "never"},
    }


def run(stage: BatchStage, columns: str) -> BatchJob:
    event = stage.upload(f"{columns}.csv", ROWS, options(columns))
    return stage.run(event, f"execution-{columns}")


def answers(stage: BatchStage, job: BatchJob) -> list[float]:
    lines = stage.output(job, "output.csv").decode().splitlines()[1:]
    return [float(line.split(",")[0]) for line in lines]


def expected(columns: str) -> list[float]:
    return [SUMS[columns] * n for n in range(1, 9)]


@pytest.mark.parametrize("order", list(itertools.permutations(COLUMNS)), ids="-".join)
def test_one_process_runs_each_job_of_a_prefix_by_that_jobs_own_plan(
    order: tuple[str, ...],
) -> None:
    stage = BatchStage()
    for columns in order:
        job = run(stage, columns)
        assert job.status == "succeeded", job.error
        assert answers(stage, job) == expected(columns)


def test_a_takeover_that_dies_anywhere_is_finished_by_the_next_try() -> None:
    at = 0
    while True:
        stage = BatchStage()
        assert run(stage, "ab").shards > 2
        event = stage.upload("bc.csv", ROWS, options("bc"))
        whole = len(stage.crashes.calls)
        stage.crashes.at = whole + at
        try:
            accepted = stage.accepting.accept(event, "execution-bc")
        except Crash:
            stage.crashes.at = None
            accepted = stage.accepting.accept(event, "execution-bc")
        else:
            break
        assert accepted["outcome"] == "accepted"
        left = [name for name in stage.objects.under(HERE) if name.startswith("parts/")]
        assert left == [], f"after dying at call {at}"
        at += 1
    assert at > 3


def test_a_prefix_of_another_stage_is_left_alone() -> None:
    ours = BatchStage()
    theirs = BatchStage(objects=ours.objects, store=InMemoryJobs(ours.crashes), stage="test")
    first = run(ours, "ab")

    second = run(theirs, "bc")

    assert second.status == "failed"
    assert f"is that of job {first.id} of stage 'prod'" in (second.error or "")
    assert answers(ours, first) == expected("ab")


def test_a_claim_without_a_stage_is_this_stages() -> None:
    stage = BatchStage()
    first = run(stage, "ab")
    owner = next(name for name in stage.objects.under(HERE) if name == "plan/job.json")
    stage.objects.upload(HERE + owner, b'{"job": "%s"}' % first.id.encode())

    assert run(stage, "bc").status == "succeeded"


def test_a_job_that_is_retried_while_another_takes_its_prefix_keeps_it_and_its_plan() -> None:
    stage, interrupting = BatchStage(), Interrupting()
    reached = Interrupted(stage.objects, interrupting)
    other = BatchStage(objects=reached, store=stage.store)
    first = stage.accepting.accept(stage.upload("ab.csv", ROWS, options("ab")), "execution-ab")
    stage.planning.plan(first["job"])
    stage.control.cancel(stage.job(first["job"]))
    event = stage.upload("bc.csv", ROWS, options("bc"))

    def retry() -> None:
        queued = stage.control.retry(stage.job(first["job"]))
        again = stage.accepting.accept({"origin": "api", "job": queued.id}, "execution-ab-2")
        assert again["outcome"] == "accepted"

    before_it_is_taken = Interruption(1, "meanwhile", conditional=True)
    second = interrupting.run(
        lambda: other.accepting.accept(event, "execution-bc"), before_it_is_taken, retry
    )

    assert second["outcome"] == "refused"
    assert "plan/shards.jsonl" in stage.objects.under(HERE)
    assert json.loads(stage.objects.body(f"{HERE}plan/job.json"))["job"] == first["job"]


def test_a_job_that_is_retried_after_another_took_its_prefix_is_refused() -> None:
    stage = BatchStage()
    first = stage.accepting.accept(stage.upload("ab.csv", ROWS, options("ab")), "execution-ab")
    stage.control.cancel(stage.job(first["job"]))
    run(stage, "bc")

    queued = stage.control.retry(stage.job(first["job"]))
    again = stage.accepting.accept({"origin": "api", "job": queued.id}, "execution-ab-2")

    assert again["outcome"] == "refused"
    assert "start the job anew" in again["reason"]
