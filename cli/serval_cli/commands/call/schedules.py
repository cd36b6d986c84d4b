"""``serval schedules``: list what starts at set times."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from serval.aws.eventbridge.schedules import (
    FoundSchedule,
    ScheduleDeadLetters,
    Schedules,
    Undelivered,
)
from serval.bundles.cron import Cron, InvalidCron
from serval.bundles.schedules import dead_letters_name, group_name
from serval.clock import timestamp, utc_now
from serval_cli.options import JsonOption, StageOption, new_app
from serval_cli.output import show
from serval_cli.stages.stage import Stage, find_stage
from serval_cli.views import schedules as schedule_views

NEXT_TIMES = 3

app = new_app()


@app.command()
def schedules(stage: StageOption = None, as_json: JsonOption = False) -> None:
    """List the schedules of a stage: batch jobs and retraining, their next times, dead letters."""
    found = list_schedules(find_stage(stage), utc_now())
    show(found, schedule_views.schedules, as_json=as_json)


def list_schedules(stage: Stage, now: datetime) -> dict[str, Any]:
    """Describe every schedule and the undelivered events."""
    deployed = Schedules(stage.client("scheduler"), group_name(stage.name)).all()
    letters = ScheduleDeadLetters(stage.client("sqs"), dead_letters_name(stage.name))
    dead = letters.count()
    some = letters.some() if dead else ()
    described = [describe_schedule(schedule, some, now) for schedule in deployed]
    return {
        "stage": stage.name,
        "schedules": sorted(described, key=lambda each: (each["model"], each["name"])),
        "dead_letters": {"count": dead, "some": [asdict(letter) for letter in some]},
    }


def describe_schedule(
    schedule: FoundSchedule, letters: Sequence[Undelivered], now: datetime
) -> dict[str, Any]:
    """Describe a schedule with its next times."""
    given = schedule.input
    return {
        "model": str(given.get("model", "")),
        "name": str(given.get("name", schedule.name)),
        "starts": "batch job" if "input" in given else "retraining",
        "expression": schedule.expression,
        "enabled": schedule.enabled,
        "next": next_times(schedule.expression, now) if schedule.enabled else [],
        "input": given.get("input"),
        "output": given.get("output"),
        "options": given.get("options"),
        "undelivered": [letter.reason for letter in letters if letter.schedule == schedule.name],
    }


def next_times(expression: str, now: datetime) -> list[str]:
    """Return the next times of a cron expression, and none for any other."""
    try:
        cron = Cron.parse(expression.removeprefix("cron(").removesuffix(")"))
    except InvalidCron:
        return []
    times: list[str] = []
    moment = cron.after(now)
    while moment is not None and len(times) < NEXT_TIMES:
        times.append(timestamp(moment))
        moment = cron.after(moment)
    return times
