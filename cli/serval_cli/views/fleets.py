"""Render fleets and async requests."""

from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from serval.models.deployed_fleets import LAMBDA
from serval_cli.views.models import Value, bullets, lines, status
from serval_cli.views.table import table

MINUTE, HOUR, DAY = 60, 3600, 86400
ERROR_CHARACTERS = 80
DETAILS = {
    "created": "created",
    "started": "started, its newest attempt",
    "finished": "finished",
    "runner": "runs on",
    "lease_until": "runner taken to be alive until",
    "wanted": "version asked for",
    "step_versions": "versions of its steps",
    "payload_bytes": "bytes asked",
    "payload_key": "request lies at",
    "response_bytes": "bytes answered",
    "response_key": "result lies at",
    "callback_url": "callback to",
    "callback_sent": "callback taken",
    "callback_error": "callback failed",
}
"""Field of a request → its label; empty fields are left out."""


def fleets(value: Value) -> RenderableType:
    """Render the fleets of a stage, their models and their workers."""
    if not value["fleets"]:
        return lines(
            f"stage {value['stage']} has no fleets",
            "a model in models/ with 'compute: {target: fleet, fleet: NAME}' and a fleet of that "
            "name in fleets.yaml make one at the next deploy",
        )
    parts: list[RenderableType] = [overview(value), models(value)]
    if any(fleet["workers"] for fleet in value["fleets"]):
        parts.append(workers(value))
    parts += [
        Text(f"{fleet['name']}: works on batch jobs {', '.join(fleet['batch_jobs'])}")
        for fleet in value["fleets"]
        if fleet["batch_jobs"]
    ]
    parts += [
        Text(f"{fleet['name']}: {fleet['reason']}") for fleet in value["fleets"] if fleet["reason"]
    ]
    return Group(*parts)


def overview(value: Value) -> RenderableType:
    """Render each fleet's machines and load."""
    shown = table(
        "fleet", "kind", "accelerator", "machines", "capacity", "waiting", "running", "oldest"
    )
    for fleet in value["fleets"]:
        shown.add_row(
            fleet["name"],
            fleet["kind"],
            fleet["accelerator"],
            machines(fleet),
            fleet["capacity"],
            f"{fleet['waiting']:,}",
            f"{fleet['running']:,}",
            oldest_age(fleet),
        )
    return shown


def machines(fleet: Value) -> str:
    """Render the present machines, the wanted ones and the limits."""
    span = f"{fleet['minimum']} to {fleet['maximum']}"
    if fleet["machines"] == fleet["present"] == 0:
        return f"asleep ({span})"
    return f"{fleet['present']} of {fleet['machines']} ({span})"


def oldest_age(fleet: Value) -> Text:
    """Render the age of the oldest waiting request against its target."""
    if not fleet["waiting"]:
        return Text("-")
    age, target = fleet["oldest_age_seconds"], fleet["target_age_seconds"]
    late = "red" if age > target else ""
    return Text(f"{duration(age)} (target {duration(target)})", style=late)


def models(value: Value) -> RenderableType:
    """Render each model's queue."""
    shown = table("model", "fleet", "open", "queued", "in flight", "dead letters", "")
    for fleet in value["fleets"]:
        for model in fleet["models"]:
            shown.add_row(
                model["model"],
                fleet["name"],
                f"{model['open']:,}",
                f"{model['queued']:,}",
                f"{model['in_flight']:,}",
                Text(f"{model['dead_letters']:,}", style="red" if model["dead_letters"] else ""),
                Text("paused", style="yellow") if model["paused"] else "",
            )
    return shown


def workers(value: Value) -> RenderableType:
    """Render the workers and their hardware."""
    shown = table("worker", "fleet", "runs on", "completed", "holds", "versions", "since")
    for fleet in value["fleets"]:
        for worker in fleet["workers"]:
            shown.add_row(
                worker["worker"],
                fleet["name"],
                worker["runs_on"],
                f"{worker['completed']:,}",
                workload(worker),
                ", ".join(worker["loaded"]),
                worker["started"][:19],
            )
    return shown


def workload(worker: Value) -> str:
    """Render the work that a worker holds."""
    shard = ", a shard" if worker["shards"] else ""
    return f"{worker['holding']:,}{shard}{', draining' if worker['draining'] else ''}"


def duration(seconds: float) -> str:
    """Render a duration in the unit that suits it."""
    if seconds < 2 * MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 2 * HOUR:
        return f"{seconds / MINUTE:.0f} min"
    return f"{seconds / HOUR:.0f} h" if seconds < 2 * DAY else f"{seconds / DAY:.0f} days"


def requests(value: Value) -> RenderableType:
    """Render requests, newest first."""
    if not value["requests"]:
        return Text("no async requests: POST /async/models/MODEL/infer makes one")
    shown = table("request", "model", "status", "version", "attempts", "created", "error")
    for row in value["requests"]:
        shown.add_row(
            row["id"],
            row["model"],
            status(row["status"]),
            row["version"] or "",
            str(row["attempts"]),
            row["created"][:19],
            shorten(row["error"] or ""),
        )
    return shown


def shorten(text: str) -> str:
    """Put a reason on one line and cut it."""
    line = " ".join(text.split())
    return line if len(line) <= ERROR_CHARACTERS else f"{line[: ERROR_CHARACTERS - 1]}…"


def request(value: Value) -> RenderableType:
    """Render everything known about a request."""
    asked = (
        ", asked to be cancelled" if value["cancel_requested"] and value["finished"] is None else ""
    )
    version = f", version {value['version']}" if value["version"] else ""
    where = "Lambda" if value["fleet"] == LAMBDA else f"fleet {value['fleet']}"
    return lines(
        Text(value["id"], style="bold"),
        Text(f"{value['model']} on {where}{version}: ") + status(value["status"]) + Text(asked),
        f"attempts: {value['attempts']} of {value['max_attempts']}",
        bullets(value["error"] or ""),
        *(
            f"{said}: {figure(value[name])}"
            for name, said in DETAILS.items()
            if value[name] not in (None, "", 0)
        ),
        f"its result: serval request {value['id']} --result FILE"
        if value["status"] == "succeeded"
        else None,
    )


def figure(value: Any) -> str:
    """Render a field of a request."""
    if isinstance(value, dict):
        return ", ".join(f"{name}={one}" for name, one in value.items())
    return f"{value:,}" if isinstance(value, int) else str(value)


def dead_letters(value: Value) -> RenderableType:
    """Render dead letters with the reasons of their failures."""
    model = value["model"]
    if not value["dead_letters"]:
        return Text(f"{model} has no dead letters")
    shown = table("request", "status", "version", "attempts", "finished", "reason")
    for letter in value["dead_letters"]:
        shown.add_row(
            letter["id"],
            status(letter["status"]),
            letter["version"] or "",
            "" if letter["attempts"] is None else str(letter["attempts"]),
            (letter["finished"] or "")[:19],
            " ".join(letter["reason"].split()),
        )
    return Group(shown, Text(f"`serval redrive {model}` sends them back to work"))


def redriven(value: Value) -> RenderableType:
    """Render what became of dead letters."""
    model, counts = value["model"], value["counts"]
    if not counts:
        return Text(f"{model} has no dead letters")
    said = {
        "queued": f"begin again: `serval requests {model}` follows them",
        "running": "are being attempted at this moment: redrive those later",
        "succeeded": "had succeeded meanwhile",
        "cancelled": "were cancelled by their callers, and stay so",
        "expired": "are no longer kept",
    }
    total = sum(counts.values())
    return lines(
        Text(f"{model}: {total:,} dead letters", style="bold"),
        *(f"  {counts[fate]:,} {words}" for fate, words in said.items() if fate in counts),
    )


def pause_state(value: Value) -> RenderableType:
    """Render whether a model is paused, and its open requests."""
    model, fleet = value["model"], value["fleet"]
    if value["paused"]:
        return lines(
            f"{model} is paused: of {value['open']:,} open requests {value['running']:,} run and "
            "end, the others wait, and so do new ones",
            f"other models of fleet {fleet} go on; `serval resume {model}` lets it go on",
        )
    woken = f"; fleet {fleet} is woken within a minute" if wakes_fleet(value) else ""
    return Text(f"{model} goes on: {value['open']:,} open requests{woken}")


def wakes_fleet(value: Value) -> bool:
    """Return whether requests wait for a fleet that sleeps."""
    return bool(value["machines"] == 0 and value["open"])
