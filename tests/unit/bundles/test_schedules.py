"""Schedules: what Scheduler is told, and the jobs that come of it."""

import json
from typing import Any

import pytest

from serval.bundles.bundle import Bundle
from serval.bundles.schedules import (
    SCHEDULED_TIME,
    batch_input,
    expression,
    retrain_detail,
    schedule_name,
)
from tests.fakes.batch import BatchStage

DECLARED = {
    "name": "nightly",
    "cron": "0 3 * * ? *",
    "input": "s3://orders/{date}/rows.csv",
    "output": "s3://orders-out/{model}/{date}/{job}/",
    "options": {"output": {"join": True}},
}


@pytest.fixture
def stage() -> BatchStage:
    stage = BatchStage()
    stage.objects.buckets["orders-out"] = {}
    for day in ("2026-11-22", "2026-11-23"):
        stage.objects.upload(f"s3://orders/{day}/rows.csv", b"x_0,x_1\n1,2\n3,4\n")
    return stage


def delivered(time: str, **more: Any) -> dict[str, Any]:
    """Return what Scheduler delivers for a bundle's schedule at a time."""
    text = json.dumps({"name": "adding", "schedules": [{**DECLARED, **more}]})
    (schedule,) = Bundle.model_validate_json(text).schedules
    given = batch_input(
        "adding",
        schedule.name,
        source=schedule.input,
        output=schedule.output,
        options=schedule.options,
    )
    whole: dict[str, Any] = json.loads(json.dumps(given).replace(SCHEDULED_TIME, time))
    return whole


def test_a_time_of_a_schedule_is_a_job_with_its_templates_filled_in(stage: BatchStage) -> None:
    job = stage.run(delivered("2026-11-22T03:00:00Z"))
    assert (job.status, job.error) == ("succeeded", None)
    assert (job.origin, job.name, job.rows) == ("schedule", "nightly", 2)
    assert job.input == ("s3://orders/2026-11-22/rows.csv",)
    assert job.output == f"s3://orders-out/adding/2026-11-22/{job.id}/"
    assert job.options.output.join


def test_a_time_that_is_delivered_twice_is_one_job(stage: BatchStage) -> None:
    first = stage.run(delivered("2026-11-22T03:00:00Z"), "one")
    again = stage.run(delivered("2026-11-22T03:00:00Z"), "another")
    assert list(stage.store.rows) == [first.id]
    assert "was started for this before" in (again.error or "")
    stage.run(delivered("2026-11-23T03:00:00Z"), "the next day's")
    assert len(stage.store.rows) == 2


def test_what_is_missing_at_its_time_is_the_jobs_reason(stage: BatchStage) -> None:
    job = stage.run(delivered("2026-11-24T03:00:00Z"))
    assert job.status == "failed"
    assert "s3://orders/2026-11-24/rows.csv does not exist" in (job.error or "")


def test_an_event_that_asks_for_a_new_version_says_of_which_model_and_when() -> None:
    assert retrain_detail("iris", "monthly") == {
        "model": "iris",
        "name": "monthly",
        "time": SCHEDULED_TIME,
    }


def test_names_of_schedules_fit_and_stay_apart() -> None:
    assert schedule_name("iris", "nightly") == "iris.nightly"
    long, other = schedule_name("m" * 63, "nightly"), schedule_name("m" * 63, "weekly")
    assert len(long) == len(other) == 64
    assert long != other


def test_a_cron_is_written_as_scheduler_takes_it() -> None:
    assert expression("0 3   * * ? *") == "cron(0 3 * * ? *)"
