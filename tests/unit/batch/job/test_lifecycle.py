"""What may become of a batch job, and how its rows hold it."""

from dataclasses import replace
from typing import Any

import pytest

from serval.batch.job import lifecycle
from serval.batch.job.job import (
    BY_MODEL_KEYS,
    EXPIRES,
    JOB,
    SORT,
    BatchJob,
    OutputPiece,
    ShardRecord,
    claimed_job_id,
    job_attributes,
    new_job_id,
    read_job,
    read_shard,
    shard_attributes,
)
from serval.batch.job.lifecycle import JobPlan, JobTotals
from serval.batch.job.options import JobOptions
from serval.errors import BatchConflict
from tests.fakes.filled import SAMPLES, filled
from tests.fakes.requests import START

SAMPLES.setdefault(JobOptions, JobOptions(format="csv", columns={"x": ("a",)}))
SAMPLES.setdefault(tuple[dict[str, Any], ...], ({"input": "x", "columns": ["a"], "by": "name"},))
SAMPLES.setdefault(tuple[OutputPiece, ...], (OutputPiece("parts/00000.csv", 9, "v1", 3),))
JOB_ROW = BatchJob(id="j1", model="iris", created="2026-11-21T10:15:00.000Z", updated="")
PLANNED = JobPlan(
    format="csv",
    files=1,
    input_bytes=100,
    estimated_rows=10,
    exact_rows=False,
    shards=2,
    estimated_seconds=3,
    estimated_microdollars=4,
    plan_ms=5,
)
DONE = JobTotals(rows=9, rejected=1, shards_done=2, busy_ms=7, microdollars=44)


def running() -> BatchJob:
    planning = lifecycle.plan(JOB_ROW, START)
    return lifecycle.run(planning, PLANNED, START)


def test_a_job_goes_its_way() -> None:
    job = running()
    assert (job.status, job.shards, job.estimated_rows) == ("running", 2, 10)
    job = lifecycle.assemble(job, START)
    assert job.status == "assembling"
    job = lifecycle.succeed(job, DONE, START)
    assert (job.status, job.rows, job.rejected, job.shards_done) == ("succeeded", 9, 1, 2)
    assert job.finished == "2026-11-21T10:15:00.000Z"
    assert not job.open


def test_a_step_that_is_called_again_changes_nothing() -> None:
    job = running()
    assert lifecycle.plan(job, START) is job
    assert lifecycle.run(job, PLANNED, START) is job
    ended = lifecycle.fail(job, "for a reason", DONE, START)
    assert lifecycle.fail(ended, "for another", DONE, START) is ended
    assert lifecycle.succeed(ended, DONE, START) is ended
    assert lifecycle.close_cancelled(ended, DONE, START) is ended
    assert lifecycle.stop(ended, "too late", START) is ended


def test_the_first_reason_to_stop_stands() -> None:
    job = lifecycle.stop(lifecycle.stop(running(), "first", START), "second", START)
    assert job.stop_reason == "first"
    assert job.stopping
    assert lifecycle.describe_stop(job) == "is ending: first"


def test_a_job_that_fails_after_a_cancel_was_cancelled() -> None:
    job = lifecycle.cancel(running(), START)
    assert job.stopping
    assert lifecycle.fail(job, "shards were stopped", DONE, START).status == "cancelled"


def test_a_cancel_that_comes_too_late_does_not_undo_a_success() -> None:
    job = lifecycle.succeed(lifecycle.cancel(running(), START), DONE, START)
    assert (job.status, job.cancel_requested) == ("succeeded", False)


@pytest.mark.parametrize("status", ["succeeded", "failed"])
def test_what_has_ended_is_not_cancelled(status: str) -> None:
    with pytest.raises(BatchConflict, match=f"has {status}, so there is nothing to cancel"):
        lifecycle.cancel(replace(JOB_ROW, status=status), START)


@pytest.mark.parametrize("status", ["queued", "running", "succeeded"])
def test_only_failed_or_cancelled_jobs_are_retried(status: str) -> None:
    with pytest.raises(BatchConflict, match="only failed or cancelled ones are retried"):
        lifecycle.retry(replace(JOB_ROW, status=status), START)


def test_a_retry_keeps_version_and_plan() -> None:
    failed = lifecycle.fail(
        lifecycle.claim(running(), "execution", "3", "s3://b/o/", START), "why", DONE, START
    )
    job = lifecycle.retry(failed, START)
    assert (job.status, job.attempt, job.owner, job.error) == ("queued", 2, None, None)
    assert (job.version, job.shards, job.output) == ("3", 2, "s3://b/o/")
    assert lifecycle.claim(job, "another", "4", job.output, START).version == "3"


def test_rows_hold_every_member() -> None:
    job, shard = (
        filled(BatchJob, finished="2026-11-21T10:15:00.000Z"),
        filled(ShardRecord, updated="2026-11-21T10:15:00.000Z"),
    )
    assert read_job(job_attributes(job)) == job
    assert read_shard(shard_attributes(shard)) == shard


def test_only_jobs_are_in_the_index_of_models() -> None:
    job, shard = filled(BatchJob), filled(ShardRecord, updated="2026-11-21T10:15:00.000Z")
    assert set(BY_MODEL_KEYS) <= job_attributes(filled(BatchJob, finished=None)).keys()
    assert not set(BY_MODEL_KEYS) & shard_attributes(shard).keys()
    assert job.created


def test_an_open_job_is_not_forgotten() -> None:
    assert EXPIRES not in job_attributes(running())
    assert EXPIRES in job_attributes(lifecycle.close_cancelled(running(), DONE, START))


def test_shards_sort_as_they_stand_in_the_input() -> None:
    rows = [
        shard_attributes(ShardRecord(job="j", index=index, updated="2026-11-21T10:15:00.000Z"))
        for index in (9_999, 12, 0)
    ]
    assert [row[JOB] for row in rows] == ["j"] * 3
    assert sorted(row[SORT] for row in rows) == ["SHARD#00000", "SHARD#00012", "SHARD#09999"]


def test_ids_sort_by_time_and_a_claim_has_one_id() -> None:
    assert new_job_id(START, "m").startswith("20261121T101500-")
    assert new_job_id(START, "m") != new_job_id(START, "m")
    one = claimed_job_id("m", "2026-11-21T10:15:00.000Z", "bucket", "key", "v1")
    assert one == claimed_job_id("m", "2026-11-21T10:15:00.000Z", "bucket", "key", "v1")
    assert one != claimed_job_id("m", "2026-11-21T10:15:00.000Z", "bucket", "key", "v2")
