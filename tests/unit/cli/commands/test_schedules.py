"""``serval schedules``: what starts by the clock, when next, and what could not be delivered."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from serval.bundles.schedules import batch_input, expression, retrain_detail, schedule_name
from serval_cli.commands.call import schedules
from tests.fakes.batch_stage import BatchStage

NIGHTLY = "iris.nightly"


def client_error(code: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": code}}, operation)


@dataclass
class Scheduler:
    """EventBridge Scheduler and SQS, as far as the command asks them; two schedules a page."""

    deployed: dict[str, dict[str, Any]] = field(default_factory=dict)
    letters: list[dict[str, Any]] | None = None
    """None: there is no queue."""
    group: bool = True

    def declare(self, model: str, name: str, cron: str, given: Any, **more: Any) -> None:
        self.deployed[schedule_name(model, name)] = {
            "ScheduleExpression": expression(cron),
            "State": "ENABLED",
            "Target": {"Input": json.dumps(given)},
            **more,
        }

    def list_schedules(self, GroupName: str, NextToken: str = "0") -> dict[str, Any]:  # noqa: N803
        assert GroupName == "serval-local"
        if not self.group:
            raise client_error("ResourceNotFoundException", "ListSchedules")
        first = int(NextToken)
        page = list(self.deployed)[first : first + 2]
        more = {"NextToken": str(first + 2)} if first + 2 < len(self.deployed) else {}
        return {"Schedules": [{"Name": name} for name in page], **more}

    def get_schedule(self, GroupName: str, Name: str) -> dict[str, Any]:  # noqa: N803
        return self.deployed[Name]

    def get_queue_url(self, QueueName: str) -> dict[str, str]:  # noqa: N803
        if self.letters is None:
            raise client_error("AWS.SimpleQueueService.NonExistentQueue", "GetQueueUrl")
        return {"QueueUrl": QueueName}

    def get_queue_attributes(self, QueueUrl: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        assert QueueUrl == "serval-local-schedules-dead"
        return {"Attributes": {"ApproximateNumberOfMessages": str(len(self.letters or ()))}}

    def receive_message(self, VisibilityTimeout: int, **_: Any) -> dict[str, Any]:  # noqa: N803
        assert VisibilityTimeout == 0, "a look leaves them to others"
        return {"Messages": (self.letters or [])[:10]}


@dataclass
class ScheduledStage(BatchStage):
    """A user at a terminal, whose stage has schedules."""

    scheduler: Scheduler = field(default_factory=Scheduler)

    def client(self, service: str) -> Any:
        assert service in {"scheduler", "sqs"}
        return self.scheduler


@pytest.fixture
def user(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> ScheduledStage:
    """Build a user at a terminal."""
    user = ScheduledStage(monkeypatch, capsys)
    given = batch_input("iris", "nightly", source="s3://in/", output="s3://out/", options={})
    user.scheduler.declare("iris", "nightly", "0 3 * * ? *", given)
    user.scheduler.declare("digits", "often", "0/5 * * * ? *", given | {"model": "digits"})
    user.scheduler.declare(
        "iris", "monthly", "0 4 1 * ? *", retrain_detail("iris", "monthly"), State="DISABLED"
    )
    return user


def letter(schedule: str) -> dict[str, Any]:
    said = {
        "SCHEDULE_ARN": f"arn:aws:scheduler:eu-central-1:123456789012:schedule/g/{schedule}",
        "ERROR_CODE": "AccessDeniedException",
        "ERROR_MESSAGE": "no right to start",
    }
    return {
        "MessageAttributes": {name: {"StringValue": text} for name, text in said.items()},
        "Body": "{}",
    }


def test_every_schedule_is_listed_by_model(user: ScheduledStage) -> None:
    value = user.serval("schedules", "--json").value
    assert value["stage"] == "local"
    assert [(one["model"], one["name"], one["starts"]) for one in value["schedules"]] == [
        ("digits", "nightly", "batch job"),
        ("iris", "monthly", "retraining"),
        ("iris", "nightly", "batch job"),
    ]
    assert value["dead_letters"] == {"count": 0, "some": []}


def test_a_schedule_says_when_it_starts_and_what_it_reads(user: ScheduledStage) -> None:
    out = user.serval("schedules").out
    for said in ("cron(0 3 * * ? *)", "s3://in/ → s3://out/", "event serval.retrain", "disabled"):
        assert said in out


def test_the_next_times_follow_from_the_cron() -> None:
    now = datetime(2026, 11, 21, 10, 15, tzinfo=UTC)
    assert schedules.next_times("cron(0 3 * * ? *)", now) == [
        "2026-11-22T03:00:00.000Z",
        "2026-11-23T03:00:00.000Z",
        "2026-11-24T03:00:00.000Z",
    ]
    assert schedules.next_times("rate(1 minute)", now) == []
    assert schedules.next_times("cron(0 3 1 1 ? 2027)", now) == ["2027-01-01T03:00:00.000Z"]


def test_a_schedule_that_is_off_has_no_next_time(user: ScheduledStage) -> None:
    value = user.serval("schedules", "--json").value["schedules"]
    assert {one["name"]: bool(one["next"]) for one in value}["monthly"] is False


def test_what_could_not_be_delivered_says_why_and_stays(user: ScheduledStage) -> None:
    user.scheduler.letters = [letter(NIGHTLY), {"Body": "{}"}]
    value = user.serval("schedules", "--json").value
    assert value["dead_letters"] == {
        "count": 2,
        "some": [
            {"schedule": NIGHTLY, "reason": "AccessDeniedException: no right to start"},
            {"schedule": "", "reason": "no reason was given"},
        ],
    }
    of = {(one["model"], one["name"]): one["undelivered"] for one in value["schedules"]}
    assert of["iris", "nightly"] == ["AccessDeniedException: no right to start"]
    assert of["iris", "monthly"] == []
    out = user.serval("schedules").out
    assert "2 starts were not delivered:" in out
    assert "iris.nightly: AccessDeniedException: no right to start" in out


@pytest.mark.parametrize("group", [True, False])
def test_a_stage_without_schedules_says_how_to_make_some(user: ScheduledStage, group: bool) -> None:
    user.scheduler.deployed.clear()
    user.scheduler.group = group
    assert "stage local has no schedules" in user.serval("schedules").out


def test_a_schedule_of_somebody_elses_making_is_shown_as_it_is(user: ScheduledStage) -> None:
    user.scheduler.deployed = {
        "odd": {"ScheduleExpression": "rate(1 hour)", "Target": {"Input": "no JSON"}}
    }
    (odd,) = user.serval("schedules", "--json").value["schedules"]
    assert (odd["name"], odd["model"], odd["enabled"], odd["next"]) == ("odd", "", True, [])
