"""Call a model by its task, and show what it answers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from serval.client import CallAnswer, Client, StillRunning
from serval.client.inference import words_of
from serval_cli.api.calls import await_response, guessing
from serval_cli.api.task_input import TaskBody
from serval_cli.output import note, show
from serval_cli.views import tasks as views
from serval_cli.views.task_files import save_media, save_pictures


def task_of(metadata: Mapping[str, Any]) -> str | None:
    """Return the task that a model's metadata name."""
    return metadata.get("task") or (metadata.get("parameters") or {}).get("task")


def call_task(
    client: Client, model: str, version: str | None, body: TaskBody, *, patient: bool = False
) -> CallAnswer:
    """Post an input, and note the server's own time; a patient caller waits for a slow fleet."""
    try:
        with guessing(client, model):
            answer = client.post_call(
                model, version, body.content, body.content_type, patient=False
            )
    except StillRunning as running:
        if not patient:
            raise
        return words_of(await_response(client, running.request_id, model))
    note(f"server-timing: {answer.headers.get('server-timing', 'unknown')}")
    return answer


def show_answer(
    answer: CallAnswer, body: TaskBody, folder: Path, model: str, *, as_json: bool
) -> None:
    """Show an answer as a person would want it, or as it came."""
    if "json" not in answer.content_type:
        stem = model if body.path is None else body.path.stem
        saved = save_media(answer.content, answer.content_type, folder, stem)
        show(saved, views.answer, as_json=as_json)
        return
    if as_json:
        typer.echo(answer.content.decode())
        return
    show(answer.value, views.answer, as_json=False)
    for path in save_pictures(answer.value, body.path, folder):
        note(f"saved {path}")
