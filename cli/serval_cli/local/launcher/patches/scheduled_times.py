"""What Scheduler puts into its targets' inputs, which the emulator hands on as they are."""

from datetime import UTC, datetime
from typing import Any

from serval_cli.local.launcher.emulator import Emulator

NAMES = ("eventbridge/_invoke_target",)
SCHEDULER = "aws.scheduler"
SCHEDULED_TIME = "<aws.scheduler.scheduled-time>"


def apply(emulator: Emulator) -> None:
    """Fill in the time, and call an event on the bus what its schedule calls it."""
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
    """Give a target and an event as AWS has them at this time of a schedule.

    Crons have minutes; the emulator looks at them every 10 s, and so comes a little late.
    """
    moment = datetime.fromtimestamp(event["Time"], UTC).replace(second=0, microsecond=0)
    time = moment.isoformat().replace("+00:00", "Z")
    given = {"Input": target["Input"].replace(SCHEDULED_TIME, time)} if "Input" in target else {}
    named = target.get("EventBridgeParameters") or {}
    renamed = {name: named[name] for name in ("Source", "DetailType") if name in named}
    return {**target, **given}, {**event, **renamed}
