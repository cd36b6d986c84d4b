"""Render schedules."""

from rich.console import Group, RenderableType
from rich.text import Text

from serval_cli.views.models import Value, lines
from serval_cli.views.table import table


def schedules(value: Value) -> RenderableType:
    """Render the schedules of a stage, and undelivered starts."""
    if not value["schedules"]:
        return lines(
            f"stage {value['stage']} has no schedules",
            "`schedules:` and `retrain:` in models/*/model.yaml make some at the next deploy;",
            "so does `schedules:` in models/*/pipeline.yaml",
        )
    shown = table("schedule", "model", "starts", "expression (UTC)", "next", "input → output")
    for schedule in value["schedules"]:
        shown.add_row(
            schedule["name"],
            schedule["model"],
            schedule["starts"],
            schedule["expression"],
            next_start(schedule),
            input_to_output(schedule),
        )
    return Group(shown, *dead_letters(value))


def next_start(schedule: Value) -> Text:
    """Render the next start."""
    if not schedule["enabled"]:
        return Text("disabled", style="yellow")
    if not schedule["next"]:
        return Text("-")
    return Text(schedule["next"][0][:16].replace("T", " "))


def input_to_output(schedule: Value) -> str:
    """Name the input and the output."""
    if schedule["input"] is None:
        return "event serval.retrain"
    return f"{schedule['input']} → {schedule['output']}"


def dead_letters(value: Value) -> list[RenderableType]:
    """Render starts that could not be delivered, if any."""
    letters = value["dead_letters"]
    if not letters["count"]:
        return []
    head = Text(f"{letters['count']:,} starts were not delivered:", style="red")
    return [
        head,
        *(Text(f"  - {one['schedule'] or '?'}: {one['reason']}") for one in letters["some"]),
    ]
