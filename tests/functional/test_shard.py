"""The ``shard`` function: its records are answered, in as many invocations as it takes."""

import json
from types import ModuleType
from typing import Any

import pytest

from serval.batch.job.lifecycle import JobStopped
from serval.errors import BatchRefused
from tests.fakes.batch import DATA, BatchStage
from tests.fakes.handlers import Context, assert_same_members, imported, recorded

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
    "REGISTRY_TABLE": "registry",
    "JOBS_TABLE": "jobs",
    "ARTIFACT_BUCKET": "artifacts",
    "REQUESTS_TABLE": "requests",
    "DATA_BUCKET": "data",
}
ROWS = b"x_0,x_1\n" + b"".join(b"%d,1\n" % number for number in range(1_000))


@pytest.fixture
def stage() -> BatchStage:
    return BatchStage(measurements={"rows_per_second": 10, "best_batch_size": 7})


@pytest.fixture
def handler(stage: BatchStage, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return imported("shard", ENVIRONMENT, stage.work, monkeypatch)


def planned(stage: BatchStage, body: bytes = ROWS, **options: Any) -> list[dict[str, Any]]:
    """Give what the state machine calls the shards of a job with."""
    options = {"csv": {"quoted_newlines": "never"}, **options}
    job = stage.accepting.accept(stage.upload("rows.csv", body, options), "execution")["job"]
    return [{"shard": line} for line in stage._lines(stage.planning.plan(job)["items"])]


def test_a_shard_writes_its_part_and_says_so_beside_it(
    handler: ModuleType, stage: BatchStage
) -> None:
    first, second = planned(stage, shard_bytes=4_000)
    assert_same_members(recorded("shard"), first)

    assert handler.handler(second, Context()) == {}

    job = stage.job(second["shard"]["job"])
    assert stage.objects.under(f"{job.output}parts/") == ["00001.csv", "00001.json"]
    counts = json.loads(stage.output(job, "parts/00001.json"))
    part = stage.output(job, "parts/00001.csv")
    assert counts["rows"] == part.count(b"\n")
    assert counts["version"] == "1"
    assert counts["parts"] == [
        {
            "key": f"batch/adding/out/{job.id}/parts/00001.csv",
            "size_bytes": len(part),
            "version_id": "v1",
            "rows": counts["rows"],
        }
    ]
    record = stage.store.shard(job.id, 1)
    assert record is not None
    assert (record.done, record.rows, record.memory_mib) == (True, counts["rows"], 1769)
    assert max(stage.model.runs) == 7


def test_a_shard_short_of_time_goes_on_in_another_invocation(
    handler: ModuleType, stage: BatchStage
) -> None:
    (only,) = planned(stage)
    pieces = 0
    went: dict[str, Any] = handler.handler(only, Context(remaining_ms=1_000))
    while went:
        pieces += 1
        given = {**only, "went": json.loads(json.dumps(went))}
        assert_same_members(recorded("shard_resumed"), given)
        went = handler.handler(given, Context(remaining_ms=1_000))

    job = stage.job(only["shard"]["job"])
    record = stage.store.shard(job.id, 0)
    assert record is not None
    assert pieces >= 3
    assert (record.rows, len(record.pieces)) == (1_000, pieces + 1)
    outcome = stage.assembly.assemble(job.id)
    assert outcome["outcome"] == "succeeded"
    assert stage.output(job, "output.csv").count(b"\n") == 1_001


def test_a_shard_that_is_done_is_not_done_again(handler: ModuleType, stage: BatchStage) -> None:
    (only,) = planned(stage)
    handler.handler(only, Context())
    runs = len(stage.model.runs)

    assert handler.handler(only, Context()) == {}
    assert len(stage.model.runs) == runs


def test_a_shard_of_a_cancelled_job_stops_between_blocks(
    handler: ModuleType, stage: BatchStage
) -> None:
    (only,) = planned(stage)
    stage.ticker.step = 3.0
    job = stage.job(only["shard"]["job"])
    stage.model.run = cancelling(stage, job.id)

    with pytest.raises(JobStopped, match="was cancelled"):
        handler.handler(only, Context())

    assert stage.objects.under(f"{job.output}parts/") == []
    assert stage.objects.open_sinks == 0


def cancelling(stage: BatchStage, job_id: str) -> Any:
    run = type(stage.model).run

    def once(inputs: Any, outputs: Any) -> Any:
        if stage.job(job_id).open:
            stage.control.cancel(stage.job(job_id))
        return run(stage.model, inputs, outputs)

    return once


def test_a_shard_that_rejects_too_much_ends_the_job(handler: ModuleType, stage: BatchStage) -> None:
    body = ROWS + b"a,1\n" * 60
    (only,) = planned(stage, body)

    with pytest.raises(JobStopped):
        handler.handler(only, Context())

    job = stage.job(only["shard"]["job"])
    assert job.open
    assert job.stopping
    assert "records, more than 1 % of about" in (job.stop_reason or "")
    assert "column 'x_0': 'a' is no FP32" in (job.stop_reason or "")
    verdict = stage.finish_job.finish({"job": job.id, "error": {"Error": "JobStopped"}})
    assert verdict["reason"] == job.stop_reason


def test_a_shard_that_fails_says_why_in_its_row(handler: ModuleType, stage: BatchStage) -> None:
    (only,) = planned(stage)
    stage.objects.buckets[DATA]["batch/adding/in/rows.csv"].clear()

    with pytest.raises(BatchRefused, match="is gone since the job was planned"):
        handler.handler(only, Context())

    record = stage.store.shard(only["shard"]["job"], 0)
    assert record is not None
    assert (record.status, record.error) == (
        "failed",
        f"s3://{DATA}/batch/adding/in/rows.csv is gone since the job was planned",
    )


def test_a_shard_says_how_far_it_is(handler: ModuleType, stage: BatchStage) -> None:
    (only,) = planned(stage)
    stage.ticker.step = 1.0
    said: list[int] = []
    record = stage.store.record

    def noted(row: Any) -> bool:
        said.append(row.rows)
        return record(row)

    stage.store.record = noted  # type: ignore[method-assign]
    handler.handler(only, Context())

    assert said == sorted(said)
    assert len(set(said)) > 3
    assert said[-1] == 1_000
