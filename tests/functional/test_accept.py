"""The ``accept`` function, from what starts an execution to a job that is its own."""

import json
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from serval.batch.job.job import BatchJob
from serval.clock import timestamp
from serval.models.route import Route
from serval.models.version import remove_tag
from tests.fakes.batch import DATA, BatchStage
from tests.fakes.handlers import Context, imported, logged, recorded
from tests.fakes.requests import START
from tests.functional.test_infer_starts_lean import imported as imported_by

ENVIRONMENT = {
    "STAGE": "prod",
    "REGISTRY_TABLE": "registry",
    "JOBS_TABLE": "jobs",
    "DATA_BUCKET": DATA,
}
ROWS = b"x_0,x_1\n1,2\n"


@pytest.fixture
def stage() -> BatchStage:
    return BatchStage()


@pytest.fixture
def handler(stage: BatchStage, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return imported("accept", ENVIRONMENT, stage.accepting, monkeypatch)


def announcing(uploaded: dict[str, Any]) -> dict[str, Any]:
    """Read the event of an upload, about the object of the stage in memory."""
    event = recorded("accept_upload")
    assert event["input"]["detail"]["object"]["key"] == uploaded["detail"]["object"]["key"]
    event["input"]["detail"]["bucket"]["name"] = DATA
    event["input"]["detail"]["object"]["version-id"] = uploaded["detail"]["object"]["version-id"]
    return event


def test_an_upload_becomes_a_job(
    handler: ModuleType, stage: BatchStage, capsys: pytest.CaptureFixture[str]
) -> None:
    event = announcing(stage.upload("rows.csv", ROWS, {"output": {"join": True}}))

    outcome = handler.handler(event, Context())

    assert json.loads(json.dumps(outcome)) == outcome
    assert (outcome["outcome"], outcome["model"]) == ("accepted", "adding")
    job = stage.job(outcome["job"])
    assert (job.status, job.origin, job.version) == ("queued", "upload", "1")
    assert job.input == (f"s3://{DATA}/batch/adding/in/rows.csv",)
    assert job.output == f"s3://{DATA}/batch/adding/out/{job.id}/"
    assert job.options.output.join
    assert job.owner == event["owner"]
    assert logged(capsys)["outcome"] == outcome


def test_the_same_upload_twice_starts_one_job(handler: ModuleType, stage: BatchStage) -> None:
    event = announcing(stage.upload("rows.csv", ROWS))
    first = handler.handler(event, Context())

    again = handler.handler(event, Context())
    other = handler.handler({**event, "owner": "another execution"}, Context())

    assert again == first
    assert (other["outcome"], len(stage.store.rows)) == ("ignored", 1)
    assert other["reason"] == f"job {first['job']} was started for this before"


def test_an_upload_that_an_earlier_serval_has_begun_starts_no_second_job(
    handler: ModuleType, stage: BatchStage
) -> None:
    event = announcing(stage.upload("rows.csv", ROWS))
    first = handler.handler(event, Context())
    earlier = replace(stage.job(first["job"]), id=remove_tag(first["job"]))
    stage.store.rows.clear()
    stage.store.create(earlier)

    again = handler.handler(event, Context())
    other = handler.handler({**event, "owner": "another execution"}, Context())

    assert (again["outcome"], again["job"]) == ("accepted", earlier.id)
    assert (other["outcome"], list(stage.store.rows)) == ("ignored", [earlier.id])


def test_the_same_key_again_is_another_upload(handler: ModuleType, stage: BatchStage) -> None:
    first = handler.handler(announcing(stage.upload("rows.csv", ROWS)), Context())
    second = handler.handler(
        {**announcing(stage.upload("rows.csv", ROWS)), "owner": "second"}, Context()
    )
    assert (second["outcome"], second["job"] != first["job"]) == ("accepted", True)


def test_an_event_without_a_version_is_of_the_newest(
    handler: ModuleType, stage: BatchStage
) -> None:
    event = announcing(stage.upload("rows.csv", ROWS))
    del event["input"]["detail"]["object"]["version-id"]

    job = stage.job(handler.handler(event, Context())["job"])

    assert job.input_version == "v1"


def test_a_later_version_of_the_model_changes_nothing(
    handler: ModuleType, stage: BatchStage
) -> None:
    event = announcing(stage.upload("rows.csv", ROWS))
    job = stage.job(handler.handler(event, Context())["job"])
    stage.registry.routes["adding"] = Route("2")

    handler.handler(event, Context())

    assert stage.job(job.id).version == "1"


@pytest.mark.parametrize(
    "key", ["batch/adding/in/rows.csv.options.json", "batch/adding/out/j/output.csv", "x"]
)
def test_other_objects_start_nothing(handler: ModuleType, stage: BatchStage, key: str) -> None:
    event = announcing(stage.upload("rows.csv", ROWS))
    event["input"]["detail"]["object"]["key"] = key

    outcome = handler.handler(event, Context())

    assert outcome["outcome"] == "ignored"
    assert "batch/<model>/in/<file> expected" in outcome["reason"]
    assert not stage.store.rows


def test_a_job_of_the_api_is_given_to_its_execution(handler: ModuleType, stage: BatchStage) -> None:
    event = recorded("accept_api")
    stage.objects.upload(f"s3://{DATA}/rows.csv", ROWS)
    stage.store.create(
        BatchJob(
            id=event["input"]["job"],
            model="adding",
            created=timestamp(START),
            updated=timestamp(START),
            input=(f"s3://{DATA}/rows.csv",),
        )
    )

    assert handler.handler(event, Context())["outcome"] == "accepted"
    assert stage.job(event["input"]["job"]).owner == event["owner"]
    assert handler.handler({**event, "owner": "x"}, Context())["outcome"] == "ignored"


def test_a_job_that_was_cancelled_before_it_began_is_not_begun(
    handler: ModuleType, stage: BatchStage
) -> None:
    event = recorded("accept_api")
    job = BatchJob(
        id=event["input"]["job"],
        model="adding",
        created=timestamp(START),
        updated=timestamp(START),
        input=(f"s3://{DATA}/rows.csv",),
    )
    stage.store.create(job)
    stage.control.cancel(job)

    outcome = handler.handler(event, Context())

    assert outcome["outcome"] == "ignored"
    assert outcome["reason"].endswith("has cancelled")


def test_a_schedule_fills_in_its_templates(handler: ModuleType, stage: BatchStage) -> None:
    event = recorded("accept_schedule")
    event["input"]["input"] = f"s3://{DATA}/nightly/"
    event["input"]["output"] = f"s3://{DATA}/answers/{{date}}/{{job}}/"
    stage.objects.upload(f"s3://{DATA}/nightly/rows.csv", ROWS)

    outcome = handler.handler(event, Context())

    job = stage.job(outcome["job"])
    assert (job.origin, job.name, job.options.output.join) == ("schedule", "nightly", True)
    assert job.output == f"s3://{DATA}/answers/2026-11-21/{job.id}/"
    assert handler.handler({**event, "owner": "x"}, Context())["outcome"] == "ignored"


def test_two_jobs_do_not_share_a_prefix(handler: ModuleType, stage: BatchStage) -> None:
    prefix = {"output": {"prefix": "s3://out-bucket/here/"}}
    first = handler.handler(announcing(stage.upload("rows.csv", ROWS, prefix)), Context())
    event = {**announcing(stage.upload("rows.csv", ROWS, prefix)), "owner": "second"}

    outcome = handler.handler(event, Context())

    assert outcome["outcome"] == "refused"
    assert outcome["reason"].startswith(
        f"output s3://out-bucket/here/ is that of job {first['job']}, which goes on: choose"
    )
    assert stage.job(outcome["job"]).status == "failed"
    assert "summary.json" not in stage.objects.under("s3://out-bucket/here/")


def test_a_prefix_that_a_job_has_done_with_is_the_next_ones(stage: BatchStage) -> None:
    options = {
        "output": {"prefix": "s3://out-bucket/here/"}, "shard_bytes": 20,
        "max_rejected_percent": 50, "csv": {"quoted_newlines": "never"},
    }  # fmt: skip
    rows = b"x_0,x_1\n" + b"1,2\n" * 20 + b"a,2\n"
    first = stage.run(stage.upload("rows.csv", rows, options), "first")
    assert first.shards > 3
    seen: list[list[str]] = []
    stage.before_shard = lambda index: seen.append(stage.objects.under("s3://out-bucket/here/"))

    second = stage.run(stage.upload("rows.csv", ROWS, options), "second")

    assert (first.status, second.status) == ("succeeded", "succeeded")
    assert {"output.csv", "errors.jsonl", "summary.json"} <= set(seen[0])
    assert not [name for name in seen[0] if name.startswith(("parts/", "errors/"))]
    assert stage.output(second, "output.csv").count(b"\n") == 2
    parts = [name for name in stage.objects.under("s3://out-bucket/here/") if "parts/" in name]
    assert parts == ["parts/00000.csv", "parts/00000.json"]
    stage.store.rows[first.id]["status"] = "failed"
    stage.control.retry(stage.job(first.id))
    again = stage.run({"origin": "api", "job": first.id}, "third")
    assert (again.status, again.attempt) == ("failed", 2)
    assert "here/ has been job" in (again.error or "")
    assert "start the job anew" in (again.error or "")
    assert stage.output(second, "parts/00000.csv")


def test_an_origin_that_nobody_knows_starts_nothing(handler: ModuleType) -> None:
    outcome = handler.handler({"input": {"origin": "dream"}, "owner": "x"}, Context())
    assert outcome == {"outcome": "ignored", "reason": "origin 'dream' is not known"}


@pytest.mark.parametrize("function", ["accept", "finish"])
def test_the_ends_of_a_job_open_no_tables(function: str) -> None:
    """They do not wait for what only reads inputs, and need no layers for it."""
    found = imported_by(f"import serval.bootstrap.batch.{function}")
    assert not found & {"numpy", "polars", "onnxruntime", "zstandard"}


@pytest.mark.parametrize(
    ("asked", "outside"),
    [
        ({"input": f"s3://{DATA}/batch/other/in/rows.csv"}, "batch/other/in/rows.csv"),
        ({"output": f"s3://{DATA}/batch/adding-2/out/"}, "batch/adding-2/out/"),
    ],
    ids=["input", "output"],
)
def test_a_fleet_s_workers_are_asked_for_nothing_that_they_may_not_touch(
    asked: dict[str, str], outside: str
) -> None:
    stage = BatchStage(bundle={"compute": {"target": "fleet", "fleet": "gpu"}})
    stage.objects.upload(f"s3://{DATA}/batch/adding/in/rows.csv", ROWS)
    event = recorded("accept_schedule")["input"] | {"model": "adding", "options": {}}
    event |= {"input": f"s3://{DATA}/batch/adding/in/rows.csv", "output": None} | asked

    outcome = stage.accepting.accept(event, "execution")

    assert outcome["outcome"] == "refused"
    assert outcome["reason"].startswith(
        f"s3://{DATA}/{outside} is not under s3://{DATA}/batch/adding/: model 'adding' runs on a "
        "fleet, whose workers may read and write only there"
    )
