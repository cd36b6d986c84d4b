"""The ``assemble`` function: one output in the order of the input, or why there is none."""

import json
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from serval.batch.job.job import ShardRecord
from serval.batch.job.layout import ShardItem
from tests.fakes.batch import JOBS_ENVIRONMENT, SIXTY_ROWS, BatchStage
from tests.fakes.handlers import Context, imported, logged, recorded


@pytest.fixture
def stage() -> BatchStage:
    return BatchStage()


@pytest.fixture
def handler(stage: BatchStage, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return imported("assemble", JOBS_ENVIRONMENT, stage.assembly, monkeypatch)


def worked(
    stage: BatchStage, body: bytes = SIXTY_ROWS, without: int | None = None, **options: Any
) -> str:
    """Run the shards of a job, but for one."""
    chosen = {"csv": {"quoted_newlines": "never"}, "shard_bytes": 60, **options}
    job = stage.accepting.accept(stage.upload("rows.csv", body, chosen), "execution")["job"]
    for line in stage._lines(stage.planning.plan(job)["items"]):
        if line["shard"] != without:
            stage.work.run(ShardItem.from_json(line), None, lambda: 900.0)
    return str(job)


def test_assemble_puts_the_parts_together_and_sums_up(
    handler: ModuleType, stage: BatchStage, capsys: pytest.CaptureFixture[str]
) -> None:
    job_id = worked(stage)
    event = recorded("assemble") | {"job": job_id}

    outcome = handler.handler(event, Context())

    assert outcome == {"outcome": "succeeded", "job": job_id}
    assert logged(capsys)["outcome"] == outcome
    job = stage.job(job_id)
    assert (job.status, job.rows, job.rejected, job.shards_done) == ("succeeded", 60, 0, job.shards)
    assert stage.output(job, "output.csv").splitlines()[:2] == [
        b"total,twice_0,twice_1",
        b"1.0,0,2",
    ]
    assert "errors.jsonl" not in stage.objects.under(job.output)
    summary = stage.summary(job)
    assert summary["output"] == f"{job.output}output.csv"
    assert (summary["rows"], summary["rejected"], summary["shards"]) == (60, 0, job.shards)
    assert summary["versions"] == ["1"]
    assert summary["input"] == job.input[0]
    assert summary["cost"]["prices"] == "2026-05"
    assert summary["cost"]["actual_usd"] == job.microdollars / 1e6 > 0
    assert [row.status for row in stage.announced] == [
        "queued", "planning", "running", "assembling", "succeeded",
    ]  # fmt: skip


def test_assemble_that_is_called_again_answers_as_before(
    handler: ModuleType, stage: BatchStage
) -> None:
    event = {"job": worked(stage)}
    first = handler.handler(event, Context())
    announced = len(stage.announced)

    assert handler.handler(event, Context()) == first
    assert len(stage.announced) == announced


def test_a_shard_that_is_missing_fails_the_job(handler: ModuleType, stage: BatchStage) -> None:
    job_id = worked(stage, without=1)
    stage.store.record(
        ShardRecord(
            job=job_id, index=1, status="failed", error="the disk is full",
            updated="2026-11-21T10:15:00.000Z",
        )
    )  # fmt: skip

    outcome = handler.handler({"job": job_id}, Context())

    job = stage.job(job_id)
    assert outcome["outcome"] == "refused"
    assert outcome["reason"] == (
        f"1 of {job.shards} shards are not done, 0 % may be missing: shard 1: the disk is full"
    )
    assert "output.csv" not in stage.objects.under(job.output)


@pytest.mark.parametrize("missing", [0, 1])
def test_a_shard_that_may_be_missing_is_left_out(
    handler: ModuleType, stage: BatchStage, missing: int
) -> None:
    job_id = worked(stage, without=missing, tolerated_failed_shards_percent=50)

    assert handler.handler({"job": job_id}, Context())["outcome"] == "succeeded"

    job = stage.job(job_id)
    assert 0 < job.rows < 60
    assert stage.output(job, "output.csv").startswith(b"total,twice_0,twice_1\n")
    assert stage.summary(job)["shards_missing"] == [missing]


def test_too_much_that_is_rejected_fails_the_job_with_the_first_reasons(
    handler: ModuleType, stage: BatchStage
) -> None:
    body = SIXTY_ROWS + b"".join(b"%c,1\n" % letter for letter in b"abcdefghijkl")
    job_id = worked(stage, body, max_rejected_percent=100)
    stage.store.rows[job_id]["options"] = stage.store.rows[job_id]["options"].replace(
        '"max_rejected_percent": 100.0', '"max_rejected_percent": 5.0'
    )

    outcome = handler.handler({"job": job_id}, Context())

    assert outcome["reason"].startswith("12 of 72 records were rejected, more than 5 %. The first")
    assert outcome["reason"].count(" is no FP32") == 10
    assert "'a' is no FP32" in outcome["reason"]


def test_rejected_records_are_numbered_as_they_stand_in_their_file(
    handler: ModuleType, stage: BatchStage
) -> None:
    body = b"x_0,x_1\n" + b"1,1\n" * 25 + b"a,1\n" + b"1,1\n" * 25 + b"b,1\n"
    job_id = worked(stage, body, max_rejected_percent=10)

    assert handler.handler({"job": job_id}, Context())["outcome"] == "succeeded"

    lines = stage.output(stage.job(job_id), "errors.jsonl").splitlines()
    assert [(one["record"], one["offset"]) for one in map(json.loads, lines)] == [
        (25, 108),
        (51, 212),
    ]


def test_parts_may_be_the_output_each_with_a_header(handler: ModuleType, stage: BatchStage) -> None:
    job_id = worked(stage, output={"partitioned": True})

    assert handler.handler({"job": job_id}, Context())["outcome"] == "succeeded"

    job = stage.job(job_id)
    assert "output.csv" not in stage.objects.under(job.output)
    assert stage.summary(job)["output"] == f"{job.output}parts/"
    parts = [name for name in stage.objects.under(f"{job.output}parts/") if name.endswith(".csv")]
    assert len(parts) == job.shards > 1
    for name in parts:
        assert stage.output(job, f"parts/{name}").startswith(b"total,twice_0,twice_1\n")


def test_a_cancel_that_comes_while_parts_are_put_together_stands(
    handler: ModuleType, stage: BatchStage
) -> None:
    job_id = worked(stage)
    join = stage.objects.join

    def cancelled(*args: Any) -> None:
        join(*args)
        stage.control.cancel(stage.job(job_id))

    stage.objects.join = cancelled  # type: ignore[method-assign]
    outcome = handler.handler({"job": job_id}, Context())

    job = stage.job(job_id)
    assert (outcome["outcome"], job.status) == ("cancelled", "cancelled")
    assert stage.objects.under(job.output).count("output.csv") == 0
    assert stage.summary(job)["status"] == "cancelled"


def test_a_plan_that_is_gone_is_said(handler: ModuleType, stage: BatchStage) -> None:
    job_id = worked(stage)
    job = stage.job(job_id)
    key = job.output.partition("/batch/")[2]
    stage.objects.buckets["data-bucket"][f"batch/{key}plan/shards.jsonl"].append(None)

    outcome = handler.handler({"job": job_id}, Context())

    assert outcome["outcome"] == "refused"
    assert outcome["reason"].endswith("plan/shards.jsonl is gone: start the job anew")
    assert replace(job, status="assembling").open
