"""Schedules: what starts by the clock, as EventBridge Scheduler has it.

A schedule of ``model.yaml`` becomes one of the stage's group. Its target is the batch machine, or
the event bus for one that retrains. Scheduler may deliver a time twice, so the time is part of what
it delivers: one time of a schedule starts one job.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from serval.batch.job.keys import check_apart, read_address
from serval.batch.start.job_request import JobRequest

SCHEDULED_TIME = "<aws.scheduler.scheduled-time>"
"""Scheduler puts the time that it meant to start at in its place."""
RETRAIN_SOURCE, RETRAIN_DETAIL_TYPE = "serval", "serval.retrain"
NAME_LIMIT = 64
DIGEST_CHARACTERS = 8
EXAMPLE_TIME = datetime(2026, 1, 1, tzinfo=UTC)
"""Stands for any time while templates are only checked."""


def group_name(stage: str) -> str:
    """Name the group of a stage's schedules."""
    return f"serval-{stage}"


def dead_letters_name(stage: str) -> str:
    """Name the queue of what Scheduler could not deliver."""
    return f"serval-{stage}-schedules-dead"


def schedule_name(model: str, name: str) -> str:
    """Name a schedule in its group; one that would be too long ends in a digest of itself."""
    whole = f"{model}.{name}"
    if len(whole) <= NAME_LIMIT:
        return whole
    digest = hashlib.sha256(whole.encode()).hexdigest()[:DIGEST_CHARACTERS]
    return f"{whole[: NAME_LIMIT - DIGEST_CHARACTERS - 1]}-{digest}"


def expression(cron: str) -> str:
    """Write a cron as Scheduler takes it."""
    return f"cron({' '.join(cron.split())})"


def batch_input(
    model: str, name: str, *, source: str, output: str, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Give what the batch machine is started with."""
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
    """Give the event's ``detail`` of a schedule that retrains."""
    return {"model": model, "name": name, "time": SCHEDULED_TIME}


def check_job(model: str, source: str, output: str, options: Mapping[str, Any]) -> None:
    """Refuse a schedule whose every job would be refused.

    Raises
    ------
    BatchRefused
        If an address, an option or a template is not understood, or the output is input again.
    """
    body = {"input": source, "output": output, "options": options}
    asked = JobRequest.from_json(model, body)
    asked.at(EXAMPLE_TIME).output("", "job", EXAMPLE_TIME)
    # Whatever the time, what differs only in it overlaps.
    check_apart(read_address(_as_prefix(output), "output"), [read_address(source, "input")], "")


def _as_prefix(address: str) -> str:
    return address if address.endswith("/") else f"{address}/"
