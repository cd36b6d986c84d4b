"""Schedules: what Scheduler is told, and what a job reads of it."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from serval.batch.options import DEFAULTS
from serval.bundle import Bundle
from serval.errors import BatchRefused
from serval.schedules import (
    SCHEDULED_TIME,
    ScheduledJob,
    batch_input,
    expression,
    retrain_detail,
    schedule_name,
)

STARTED = datetime(2026, 11, 22, 3, 0, 42, 123000, tzinfo=UTC)


def delivered(time: str = "2026-11-22T03:00:00Z", **more: object) -> dict[str, object]:
    """Give an input as Scheduler delivers it, with the time in its place."""
    given = batch_input(
        "iris",
        "nightly",
        source="s3://orders/{date}/rows.csv",
        output="s3://orders-out/{model}/{date}/{job}/",
        options={"concurrency": 3},
    )
    text = json.dumps({**given, **more}).replace(SCHEDULED_TIME, time)
    whole: dict[str, object] = json.loads(text)
    return whole


def test_a_time_of_a_schedule_is_a_job_with_its_templates_filled_in() -> None:
    job = ScheduledJob.from_json(delivered(), STARTED)
    assert (job.name, job.time) == ("nightly", STARTED.replace(second=0, microsecond=0))
    assert (job.asked.model, job.asked.input) == ("iris", ("s3://orders/2026-11-22/rows.csv",))
    assert job.asked.options.concurrency == 3
    output = job.asked.output("data", "20261122T030000-1a", job.time)
    assert str(output) == "s3://orders-out/iris/2026-11-22/20261122T030000-1a/"


def test_the_date_is_that_of_the_schedule_however_late_it_starts() -> None:
    late = STARTED + timedelta(hours=23)
    job = ScheduledJob.from_json(delivered("2026-11-22T05:00:00+02:00"), late)
    assert job.time == STARTED.replace(second=0, microsecond=0)


@pytest.mark.parametrize("time", [SCHEDULED_TIME, "", "soon"])
def test_where_no_time_is_filled_in_the_minute_of_the_start_counts(time: str) -> None:
    job = ScheduledJob.from_json(delivered(time), STARTED)
    assert job.time == STARTED.replace(second=0, microsecond=0)


def test_what_is_wrong_with_a_schedule_is_said_of_its_job() -> None:
    with pytest.raises(BatchRefused, match="concurrency: 0 given, 1 to 1000 expected"):
        ScheduledJob.from_json(delivered(options={"concurrency": 0}), STARTED)


def test_a_declared_schedule_is_what_its_job_reads() -> None:
    declared = {"name": "n", "cron": "0 3 * * ? *", "input": "s3://abc/", "output": "s3://def/"}
    (schedule,) = Bundle.model_validate_json(
        json.dumps({"name": "iris", "schedules": [declared]})
    ).schedules
    given = batch_input(
        "iris",
        schedule.name,
        source=schedule.input,
        output=schedule.output,
        options=schedule.options,
    )
    asked = ScheduledJob.from_json(given, STARTED).asked
    assert asked.options.output.prefix == "s3://def/"
    assert asked.options.concurrency == DEFAULTS.concurrency


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
