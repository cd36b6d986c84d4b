"""``serval infer``: send an inference request."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from serval.client import Client
from serval.client.inference_request import build_request, is_request
from serval.models.storage import VERSION
from serval_cli.api.calls import (
    await_response,
    check_model_name,
    guessing,
    open_client,
    readable_response,
)
from serval_cli.api.task_input import TaskBody, build_body, existing_file, read_parameters
from serval_cli.failures import CommandFailed
from serval_cli.json_files import STDIN, read_json
from serval_cli.options import (
    ApiKeyOption,
    JsonOption,
    ModelArgument,
    ParameterOption,
    StageOption,
    VersionOption,
    new_app,
)
from serval_cli.output import note, show
from serval_cli.stages.stage import find_stage
from serval_cli.steering.fleet_readiness import runs_on_fleet
from serval_cli.steering.task_answers import call_task, show_answer, task_of
from serval_cli.views import models as views

app = new_app()


@app.command()
def infer(
    model: ModelArgument,
    given: Annotated[
        str | None,
        typer.Argument(
            metavar="INPUT",
            show_default=False,
            help="JSON file, or '-' for standard input; for a model with a task, what that takes.",
        ),
    ] = None,
    text: Annotated[
        str | None,
        typer.Option(
            "--text",
            metavar="TEXT",
            show_default=False,
            help="A text for a model that takes one, instead of INPUT; the answer is text too.",
        ),
    ] = None,
    parameter: ParameterOption = None,
    version: VersionOption = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for a fleet that sleeps, however long it takes.")
    ] = False,
    api_key: ApiKeyOption = None,
    stage: StageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send an inference request to a model.

    INPUT is a file with a V2 inference request, or only the data: an object of input name → data,
    or a list if the model has one input. Text stands for its bytes where the input is UINT8.

    For a model with a task it is a text, or a file with an image, sound or rows.
    """
    check_model_name(model)
    if version is not None and not VERSION.fullmatch(version):
        raise CommandFailed(f"version {version!r}: a number as `serval describe` lists expected")
    if (given is None) == (text is None):
        raise typer.BadParameter("INPUT or --text expected, one of them")
    parameters = read_parameters(parameter or ())
    data = read_tensors(given) if text is None else text
    found = find_stage(stage)
    client = open_client(found, api_key)
    heavy = runs_on_fleet(found, model, patient=wait)
    if not is_request(data):
        with guessing(client, model):
            metadata = client.describe(model, version)
        task = task_of(metadata)
        if task is not None:
            body = body_for(task, given, data, parameters)
            answer = call_task(client, model, version, body, patient=wait and heavy)
            show_answer(answer, body, Path(), model, as_json=as_json)
            return
        data = read_json(_expect_file(given or "")) if data is None else data
        if not is_request(data):
            data = build_request(data, metadata["inputs"], metadata.get("optional_inputs", ()))
    if parameters:
        raise CommandFailed("--parameter is for models with a task; a V2 request has its own")
    reply = request_answer(client, model, version, data, patient=wait and heavy)
    show(reply, views.inference if text is None else views.text_answer, as_json=as_json)


def read_tensors(given: str | None) -> Any:
    """Read JSON from a file or standard input; None if INPUT is neither."""
    path = Path(given or "")
    if path == STDIN or (path.suffix.lower() == ".json" and existing_file(str(path))):
        return read_json(path)
    return None


def _expect_file(given: str) -> Path:
    """Return INPUT as the file that a model of tensors needs."""
    if not existing_file(given):
        raise CommandFailed(
            f"INPUT {given!r} is not a file on this machine: a JSON file expected; "
            "--text TEXT sends a text"
        )
    return Path(given)


def body_for(task: str, given: str | None, data: Any, parameters: Mapping[str, Any]) -> TaskBody:
    """Build the body of a task's request from INPUT, or from what was read already."""
    if data is None or (given is not None and Path(given) != STDIN):
        return build_body(task, given or "", parameters)
    return build_body(task, data if isinstance(data, str) else json.dumps(data), parameters)


def request_answer(
    client: Client, model: str, version: str | None, request: Any, *, patient: bool
) -> Any:
    """Return the V2 inference response, waiting for a fleet if asked to."""
    if patient:
        submitted = client.submit(model, request, version=version)
        return readable_response(await_response(client, submitted["id"], model))
    with guessing(client, model):
        answer = client.infer(model, request, version=version, patient=False)
    note(f"server-timing: {answer.headers.get('server-timing', 'unknown')}")
    return readable_response(answer.document)
