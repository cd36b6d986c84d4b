"""``serval request``: show one async request, or fetch its result."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from serval.access.api_key import GATEWAY
from serval.errors import RequestNotFound
from serval.requests.access import RequestAccess
from serval.requests.request import AsyncRequest
from serval_cli.failures import CommandFailed
from serval_cli.options import JsonOption, StageOption, new_app
from serval_cli.output import note, show
from serval_cli.stages.stage import Stage, find_stage
from serval_cli.views import fleets as fleet_views

STDOUT = Path("-")
HIDDEN = ("body_hash", "payload", "submitter", "chosen")
"""Fields that the command does not show: what was asked, and with whose key."""

app = new_app()


@app.command()
def request(
    request_id: Annotated[
        str, typer.Argument(metavar="ID", help="As submit answered it, or as it was put.")
    ],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="MODEL",
            show_default=False,
            help="Whose request it is, if several models have one of that id.",
        ),
    ] = None,
    result: Annotated[
        Path | None,
        typer.Option(
            "--result",
            metavar="FILE",
            show_default=False,
            help="Write its result there; '-' is standard output, and then nothing else is.",
        ),
    ] = None,
    stage: StageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show an async request, or fetch its result.

    Shows the status, the attempts and why it failed. With --result it writes the V2 inference
    response; exit code 1 if there is none.
    """
    if as_json and result == STDOUT:
        raise CommandFailed("--json and '--result -' both print on stdout: choose one")
    found = find_stage(stage)
    row = find_request(found, request_id, model)
    if result is not None:
        write_result(row, read_result(found, row), result)
    if result != STDOUT:
        show(describe_request(row), fleet_views.request, as_json=as_json)


def find_request(stage: Stage, request_id: str, model: str | None) -> AsyncRequest:
    """Find a request by its id or name."""
    try:
        return RequestAccess(stage.requests, stage.registry.models).find(GATEWAY, request_id, model)
    except RequestNotFound:
        raise CommandFailed(
            f"there is no async request {request_id!r}: it was never made, or has been kept for "
            "as long as its model says; `serval requests` lists the newest"
        ) from None


def read_result(stage: Stage, row: AsyncRequest) -> bytes:
    """Read a request's result."""
    if row.status != "succeeded" or row.response_key is None:
        why = f": {row.error}" if row.error else ""
        raise CommandFailed(f"async request {row.name} has no result, it is {row.status}{why}")
    body = stage.payloads.get(row.response_key)
    if body is None:
        raise CommandFailed(f"the result of async request {row.name} is gone: {row.response_key}")
    return body


def write_result(row: AsyncRequest, body: bytes, target: Path) -> None:
    """Write a result to a file or stdout, and note its form."""
    length = row.response_header_length
    form = "JSON" if length is None else f"{length} bytes of JSON, then binary tensors"
    if target == STDOUT:
        sys.stdout.buffer.write(body)
    else:
        target.write_bytes(body)
    note(f"{'stdout' if target == STDOUT else target}: {len(body):,} bytes ({form})")


def describe_request(row: AsyncRequest) -> dict[str, Any]:
    """Describe a request."""
    members = {name: value for name, value in asdict(row).items() if name not in HIDDEN}
    asked = None if row.step_versions is None else json.loads(row.step_versions)
    return members | {"id": row.name, "step_versions": asked}
