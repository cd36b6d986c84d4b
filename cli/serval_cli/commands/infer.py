"""``serval infer``: an inference request over HTTP."""

from pathlib import Path
from typing import Annotated

import typer

from serval.storage import MODEL_NAME, VERSION
from serval_cli import views
from serval_cli.failures import CommandFailed
from serval_cli.inference_api import InferenceApi
from serval_cli.inference_request import build_request, is_request
from serval_cli.json_files import read_json
from serval_cli.options import ApiKeyOption, JsonOption, ModelArgument, StageOption, new_app
from serval_cli.output import note, show
from serval_cli.stages import find_stage

app = new_app()


@app.command()
def infer(
    model: ModelArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON file; '-' is standard input.")],
    version: Annotated[
        str | None,
        typer.Option("--version", metavar="N", help="A version, instead of what the route gives."),
    ] = None,
    api_key: ApiKeyOption = None,
    stage: StageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send an inference request to a model.

    FILE holds a V2 inference request, or only the data: an object of input name → data, or a list
    if the model has one input.
    """
    if not MODEL_NAME.fullmatch(model):
        raise CommandFailed(f"{model!r} is no model name: `serval models` lists the models")
    if version is not None and not VERSION.fullmatch(version):
        raise CommandFailed(f"version {version!r}: a number as `serval describe` lists expected")
    request = read_json(file)
    found = find_stage(stage)
    api = InferenceApi.of(
        found.api_url, found.api_key(api_key), trust_environment=found.local is None
    )
    if not is_request(request):
        metadata = api.metadata(model, version)
        request = build_request(request, metadata["inputs"], metadata.get("optional_inputs", ()))
    answer, headers = api.infer(model, version, request)
    show(answer, views.inference, as_json=as_json)
    note(f"server-timing: {headers.get('server-timing', 'not said')}")
