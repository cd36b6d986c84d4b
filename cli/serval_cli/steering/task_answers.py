"""Call a model by its task, and show what it answers."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import typer

from serval_cli.api.http import StillRunning
from serval_cli.api.inference import InferenceApi
from serval_cli.api.task_input import TaskBody
from serval_cli.output import note, show, waiting
from serval_cli.views import tasks as views
from serval_cli.views.task_files import save_media, save_pictures


def task_of(metadata: Mapping[str, Any]) -> str | None:
    """Return the task that a model's metadata name."""
    return metadata.get("task") or (metadata.get("parameters") or {}).get("task")


def call_task(
    api: InferenceApi, model: str, version: str | None, body: TaskBody, *, patient: bool = False
) -> httpx.Response:
    """Post an input, and note the server's own time; a patient caller waits for a slow fleet."""
    try:
        reply = api.call_task(model, version, body.content, body.content_type)
    except StillRunning as running:
        if not patient:
            raise
        return await_answer(api, running.request_id)
    note(f"server-timing: {reply.headers.get('server-timing', 'unknown')}")
    return reply


def await_answer(api: InferenceApi, request_id: str) -> httpx.Response:
    """Wait for what a call of a task became, and return its answer as the call's reply."""
    result = await_result(api, request_id)
    values = [json.loads(one) for one in result["outputs"][0]["data"]]
    return httpx.Response(200, json=values[0] if len(values) == 1 else values)


def await_result(api: InferenceApi, request_id: str) -> Any:
    """Wait until an async request has ended, and return its V2 inference response."""
    with waiting(f"request {request_id} waits (Ctrl-C leaves it; `serval request` has it)") as say:
        return api.await_result(request_id, say)


def show_answer(
    reply: httpx.Response, body: TaskBody, folder: Path, model: str, *, as_json: bool
) -> None:
    """Show an answer as a person would want it, or as it came."""
    content_type = reply.headers.get("content-type", "")
    if "json" not in content_type:
        stem = model if body.path is None else body.path.stem
        show(save_media(reply.content, content_type, folder, stem), views.answer, as_json=as_json)
        return
    value = reply.json()
    if as_json:
        typer.echo(reply.text)
        return
    show(value, views.answer, as_json=False)
    for path in save_pictures(value, body.path, folder):
        note(f"saved {path}")
