"""Fill in the placeholders of Scheduler's inputs, which the emulator passes on unchanged."""

from datetime import UTC, datetime
from typing import Any

from serval_cli.local.launcher.emulator import Emulator

NAMES = ("eventbridge/_invoke_target",)
SCHEDULER = "aws.scheduler"
SCHEDULED_TIME = "<aws.scheduler.scheduled-time>"


def apply(emulator: Emulator) -> None:
    """Fill in the scheduled time, and use the schedule's own event names."""
    eventbridge: Any = emulator.eventbridge
    invoke = eventbridge._invoke_target

    def invoke_target(
        target: dict[str, Any], event: dict[str, Any], rule: Any, view: Any = None
    ) -> None:
        if event.get("Source") == SCHEDULER:
            target, event = as_scheduled(target, event)
        invoke(target, event, rule, view)

    eventbridge._invoke_target = invoke_target


def as_scheduled(
    target: dict[str, Any], event: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a target and an event as AWS sends them at this time of a schedule.

    Cron times are whole minutes; the emulator checks them every 10 s and is a little late.
    """
    moment = datetime.fromtimestamp(event["Time"], UTC).replace(second=0, microsecond=0)
    time = moment.isoformat().replace("+00:00", "Z")
    given = {"Input": target["Input"].replace(SCHEDULED_TIME, time)} if "Input" in target else {}
    named = target.get("EventBridgeParameters") or {}
    renamed = {name: named[name] for name in ("Source", "DetailType") if name in named}
    return {**target, **given}, {**event, **renamed}
