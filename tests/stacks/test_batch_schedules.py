"""Schedules of bundles as EventBridge Scheduler has them."""

import json
from typing import Any

from tests.stacks.synthesis import Synthesised

NIGHTLY = "watched.nightly"


def targets(stage: Synthesised) -> dict[str, Any]:
    return {
        schedule["Name"]: schedule["Target"]
        for schedule in stage.properties("AWS::Scheduler::Schedule")
    }


def test_every_schedule_of_a_bundle_is_one_of_the_stages_group(scheduled: Synthesised) -> None:
    (group,) = scheduled.properties("AWS::Scheduler::ScheduleGroup")
    assert group["Name"] == "serval-prod"
    found = {each["Name"]: each for each in scheduled.properties("AWS::Scheduler::Schedule")}
    assert {name: each["ScheduleExpression"] for name, each in found.items()} == {
        NIGHTLY: "cron(0 3 * * ? *)",
        "watched.monthly": "cron(0 4 1 * ? *)",
    }
    for each in found.values():
        assert each["GroupName"] == "serval-prod"
        assert each["ScheduleExpressionTimezone"] == "UTC"
        assert each["FlexibleTimeWindow"] == {"Mode": "OFF"}


def test_a_schedule_starts_the_machine_with_what_is_asked_at_the_time_that_was_meant(
    scheduled: Synthesised,
) -> None:
    target = targets(scheduled)[NIGHTLY]
    machine = scheduled.resource("api", target["Arn"]["Ref"])
    assert machine == scheduled.machine("BatchJobs")
    assert json.loads(target["Input"]) == {
        "origin": "schedule",
        "model": "watched",
        "name": "nightly",
        "time": "<aws.scheduler.scheduled-time>",
        "input": "s3://rows/{date}/",
        "output": "s3://answers/{date}/",
        "options": {"concurrency": 3},
    }


def test_a_schedule_that_retrains_puts_an_event(scheduled: Synthesised) -> None:
    target = targets(scheduled)["watched.monthly"]
    assert target["EventBridgeParameters"] == {"Source": "serval", "DetailType": "serval.retrain"}
    assert json.loads(target["Input"]) == {
        "model": "watched",
        "name": "monthly",
        "time": "<aws.scheduler.scheduled-time>",
    }


def test_what_cannot_be_delivered_waits_for_a_person(scheduled: Synthesised) -> None:
    for target in targets(scheduled).values():
        assert target["RetryPolicy"]["MaximumRetryAttempts"] > 0
        dead = scheduled.resource("api", target["DeadLetterConfig"]["Arn"]["Fn::GetAtt"][0])
        assert dead["Properties"]["QueueName"] == "serval-prod-schedules-dead"


def test_a_stage_without_schedules_has_none(prod: Synthesised) -> None:
    assert targets(prod) == {}
