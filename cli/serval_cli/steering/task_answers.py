"""Call a model by its task, and show what it answers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import typer

from serval_cli.api.inference import InferenceApi
from serval_cli.api.task_input import TaskBody
from serval_cli.output import note, show
from serval_cli.views import tasks as views
from serval_cli.views.task_files import save_media, save_pictures


def task_of(metadata: Mapping[str, Any]) -> str | None:
    """Return the task that a model's metadata name."""
    return metadata.get("task") or (metadata.get("parameters") or {}).get("task")


def call_task(api: InferenceApi, model: str, version: str | None, body: TaskBody) -> httpx.Response:
    """Post an input, and note the server's own time."""
    reply = api.call_task(model, version, body.content, body.content_type)
    note(f"server-timing: {reply.headers.get('server-timing', 'unknown')}")
    return reply


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
