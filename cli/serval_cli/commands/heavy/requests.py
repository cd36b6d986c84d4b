"""``serval requests``: list async requests, newest first."""

from typing import Annotated, Any

import typer

from serval.requests.list_requests import restore_names
from serval.requests.request import OPEN, AsyncRequest, Status
from serval_cli.options import JsonOption, StageOption, new_app
from serval_cli.output import note, show
from serval_cli.stages.stage import Stage, find_stage
from serval_cli.views import fleets as fleet_views

SEARCHED = 1_000
"""Newest requests of each model that are searched for a status."""

app = new_app()


@app.command()
def requests(
    model: Annotated[
        str | None,
        typer.Argument(metavar="MODEL", show_default=False, help="Only of this model."),
    ] = None,
    status: Annotated[
        Status | None,
        typer.Option(
            "--status", metavar="STATUS", show_default=False, help="Only those: queued, running, …"
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=SEARCHED, metavar="N", help="How many at most.")
    ] = 20,
    stage: StageOption = None,
    as_json: JsonOption = False,
) -> None:
    """List async requests, the newest first."""
    found = list_requests(find_stage(stage), model, status, limit)
    show(found, fleet_views.requests, as_json=as_json)


def list_requests(
    stage: Stage, model: str | None, status: Status | None, limit: int
) -> dict[str, Any]:
    """Describe the newest requests of a model, or of every model.

    Raises
    ------
    ModelNotFound
        If the stage has no such model.
    """
    if model is not None:
        stage.registry.route(model)
    models = [model] if model else list(stage.registry.models())
    if status in OPEN:
        rows = open_requests(stage, models, status)
    else:
        rows = newest_requests(stage, models, status, limit)
    ordered = sorted(rows, key=lambda row: (row.created, row.id), reverse=True)
    shown = restore_names(stage.requests, ordered[:limit])
    return {"requests": [describe_request(row) for row in shown]}


def open_requests(stage: Stage, models: list[str], status: Status | None) -> list[AsyncRequest]:
    """Find all open requests of a status, however old."""
    ids = [one.id for one in stage.requests.open() if one.status == status and one.model in models]
    rows = stage.requests.find_all(ids).values()
    return [row for row in rows if row.status == status]


def newest_requests(
    stage: Stage, models: list[str], status: Status | None, limit: int
) -> list[AsyncRequest]:
    """Find the newest requests of each model, searching its newest thousand for a status."""
    most = limit if status is None else SEARCHED
    found: list[AsyncRequest] = []
    for model in models:
        rows = stage.requests.of_model(model, most)
        matching = [row for row in rows if status in (None, row.status)]
        if status is not None and len(rows) == most and len(matching) < limit:
            note(f"{model}: only its newest {most:,} requests were looked at")
        found += matching
    return found


def describe_request(row: AsyncRequest) -> dict[str, Any]:
    """Describe a request in short."""
    return {
        "id": row.name,
        "model": row.model,
        "fleet": row.fleet,
        "status": row.status,
        "version": row.version,
        "attempts": row.attempts,
        "created": row.created,
        "updated": row.updated,
        "finished": row.finished,
        "error": row.error,
    }
