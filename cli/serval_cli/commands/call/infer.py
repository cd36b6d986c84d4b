"""``serval infer``: send an inference request."""

from pathlib import Path
from typing import Annotated, Any

import typer

from serval.models.storage import VERSION
from serval_cli.api.http import check_model_name
from serval_cli.api.inference import InferenceApi
from serval_cli.api.inference_request import build_request, is_request
from serval_cli.failures import CommandFailed
from serval_cli.json_files import read_json
from serval_cli.options import ApiKeyOption, JsonOption, ModelArgument, StageOption, new_app
from serval_cli.output import note, show, waiting
from serval_cli.stages.stage import find_stage
from serval_cli.steering.fleet_readiness import runs_on_fleet
from serval_cli.views import models as views

app = new_app()


@app.command()
def infer(
    model: ModelArgument,
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE", show_default=False, help="JSON file; '-' is standard input."
        ),
    ] = None,
    text: Annotated[
        str | None,
        typer.Option(
            "--text",
            metavar="TEXT",
            show_default=False,
            help="A text for a model that takes one, instead of FILE; the answer is text too.",
        ),
    ] = None,
    version: Annotated[
        str | None,
        typer.Option("--version", metavar="N", help="A version, instead of what the route gives."),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for a fleet that sleeps, however long it takes.")
    ] = False,
    api_key: ApiKeyOption = None,
    stage: StageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send an inference request to a model.

    FILE holds a V2 inference request, or only the data: an object of input name → data, or a list
    if the model has one input. Text stands for its bytes where the input is UINT8.
    """
    check_model_name(model)
    if version is not None and not VERSION.fullmatch(version):
        raise CommandFailed(f"version {version!r}: a number as `serval describe` lists expected")
    given = read_input(file, text)
    found = find_stage(stage)
    api = InferenceApi.of(
        found.api_url, found.api_key(api_key), trust_environment=found.local is None
    )
    heavy = runs_on_fleet(found, model, patient=wait)
    if not is_request(given):
        metadata = api.metadata(model, version)
        given = build_request(given, metadata["inputs"], metadata.get("optional_inputs", ()))
    reply = request_answer(api, model, version, given, patient=wait and heavy)
    show(reply, views.inference if text is None else views.text_answer, as_json=as_json)


def read_input(file: Path | None, text: str | None) -> Any:
    """Return the request from a file or from ``--text``."""
    if (file is None) == (text is None):
        raise typer.BadParameter("FILE or --text expected, one of them")
    return text if file is None else read_json(file)


def request_answer(
    api: InferenceApi, model: str, version: str | None, request: Any, *, patient: bool
) -> Any:
    """Return the V2 inference response, waiting for a fleet if asked to."""
    if patient:
        request_id = api.submit(model, version, request)
        with waiting(
            f"request {request_id} waits (Ctrl-C leaves it; `serval request` has it)"
        ) as say:
            return api.await_result(request_id, say)
    reply, headers = api.infer(model, version, request)
    note(f"server-timing: {headers.get('server-timing', 'unknown')}")
    return reply
