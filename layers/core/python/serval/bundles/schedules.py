"""Schedules of EventBridge Scheduler, made from those in ``model.yaml``.

Each belongs to the stage's group, and its target is the batch machine, or the event bus for one
that retrains. Scheduler may deliver a time twice, so the time is part of its input: one time of a
schedule starts one job.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from serval.batch.job.keys import check_apart, read_address
from serval.batch.start.job_request import JobRequest
from serval.models.resource_names import shorten_name

SCHEDULED_TIME = "<aws.scheduler.scheduled-time>"
"""Scheduler replaces it by the scheduled time."""
RETRAIN_SOURCE, RETRAIN_DETAIL_TYPE = "serval", "serval.retrain"
NAME_LIMIT = 64
EXAMPLE_TIME = datetime(2026, 1, 1, tzinfo=UTC)
"""Any time, to check templates with."""


def group_name(stage: str) -> str:
    """Name the group of a stage's schedules."""
    return f"serval-{stage}"


def dead_letters_name(stage: str) -> str:
    """Name the queue of events that Scheduler could not deliver."""
    return f"serval-{stage}-schedules-dead"


def schedule_name(model: str, name: str) -> str:
    """Name a schedule in its group."""
    return shorten_name(f"{model}.{name}", NAME_LIMIT)


def expression(cron: str) -> str:
    """Write a cron expression for Scheduler."""
    return f"cron({' '.join(cron.split())})"


def batch_input(
    model: str, name: str, *, source: str, output: str, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the input of the batch machine."""
    return {
        "origin": "schedule",
        "model": model,
        "name": name,
        "time": SCHEDULED_TIME,
        "input": source,
        "output": output,
        "options": dict(options),
    }


def retrain_detail(model: str, name: str) -> dict[str, str]:
    """Return the ``detail`` of a schedule's event ``serval.retrain``."""
    return {"model": model, "name": name, "time": SCHEDULED_TIME}


def check_job(model: str, source: str, output: str, options: Mapping[str, Any]) -> None:
    """Refuse a schedule whose jobs would all be refused.

    Raises
    ------
    BatchRefused
        If an address, an option or a template is invalid, or the output is part of the input.
    """
    body = {"input": source, "output": output, "options": options}
    asked = JobRequest.from_json(model, body)
    asked.fill_templates(EXAMPLE_TIME).output("", "job", EXAMPLE_TIME)
    # Addresses that differ only in the time overlap.
    check_apart(read_address(_as_prefix(output), "output"), [read_address(source, "input")], "")


def _as_prefix(address: str) -> str:
    return address if address.endswith("/") else f"{address}/"
