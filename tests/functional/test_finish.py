"""The ``finish`` function: a job that was refused, that failed or was cancelled has an end."""

from types import ModuleType

import pytest

from serval.batch.job.layout import ShardItem
from tests.fakes.batch import JOBS_ENVIRONMENT, SIXTY_ROWS, BatchStage
from tests.fakes.handlers import Context, imported, logged, recorded


@pytest.fixture
def stage() -> BatchStage:
    return BatchStage()


@pytest.fixture
def handler(stage: BatchStage, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return imported("finish", JOBS_ENVIRONMENT, stage.finish_job, monkeypatch)


def running(stage: BatchStage, done: int) -> str:
    """Run some shards of a job."""
    options = {"csv": {"quoted_newlines": "never"}, "shard_bytes": 60}
    job = stage.accepting.accept(stage.upload("rows.csv", SIXTY_ROWS, options), "execution")["job"]
    for line in stage._lines(stage.planning.plan(job)["items"])[:done]:
        stage.work.run(ShardItem.from_json(line), None, lambda: 900.0)
    return str(job)


def test_finish_ends_what_a_step_refused(
    handler: ModuleType, stage: BatchStage, capsys: pytest.CaptureFixture[str]
) -> None:
    job_id = running(stage, 0)
    event = recorded("finish_refused") | {"job": job_id}

    verdict = handler.handler(event, Context())

    assert verdict == {"job": job_id, "status": "failed", "reason": event["reason"]}
    assert logged(capsys)["outcome"] == verdict
    assert stage.job(job_id).error == event["reason"]


def test_finish_ends_what_failed_with_what_was_done(handler: ModuleType, stage: BatchStage) -> None:
    job_id = running(stage, 2)
    event = recorded("finish") | {"job": job_id}

    verdict = handler.handler(event, Context())

    job = stage.job(job_id)
    assert (verdict["status"], verdict["reason"]) == (
        "failed",
        "more shards failed than the job tolerates",
    )
    summary = stage.summary(job)
    assert (summary["status"], summary["output"]) == ("failed", None)
    assert summary["rows"] == job.rows > 0
    assert (summary["shards_done"], summary["shards_missing"][0]) == (2, 2)
    assert stage.announced[-1].status == "failed"


def test_finishing_again_changes_nothing(handler: ModuleType, stage: BatchStage) -> None:
    event = recorded("finish") | {"job": running(stage, 1)}
    first = handler.handler(event, Context())
    job, announced = stage.job(event["job"]), len(stage.announced)
    summary = stage.summary(job)
    stage.objects.buckets["data-bucket"][f"batch/adding/out/{job.id}/summary.json"].append(None)

    assert handler.handler(event | {"error": {"Error": "another"}}, Context()) == first

    assert stage.job(job.id) == job
    assert len(stage.announced) == announced
    assert stage.summary(job) == summary


def test_finish_leaves_a_success_alone(handler: ModuleType, stage: BatchStage) -> None:
    job_id = running(stage, 99)
    stage.assembly.assemble(job_id)
    summary = stage.summary(stage.job(job_id))

    verdict = handler.handler(recorded("finish") | {"job": job_id}, Context())

    assert verdict["status"] == "succeeded"
    assert stage.summary(stage.job(job_id)) == summary


def test_finish_of_what_never_became_a_job_says_why(handler: ModuleType) -> None:
    error = {"Error": "BatchJobNotFound", "Cause": '{"errorMessage": "batch job \'j\' is none"}'}
    verdict = handler.handler({"error": error}, Context())
    assert verdict == {
        "job": None,
        "status": "failed",
        "reason": "BatchJobNotFound: batch job 'j' is none",
    }
