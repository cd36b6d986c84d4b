"""``serval golden``: add golden requests to a bundle."""

from pathlib import Path
from typing import Annotated

import typer

from serval.batch.input.columns import ColumnChoice
from serval_cli.api.calls import check_model_name, open_client
from serval_cli.api.task_input import read_parameters
from serval_cli.bundle.golden_file import find_golden_file
from serval_cli.options import (
    ApiKeyOption,
    JsonOption,
    ModelArgument,
    ParameterOption,
    SamplePositionalOption,
    StageOption,
    new_app,
)
from serval_cli.output import show
from serval_cli.stages.stage import find_stage
from serval_cli.steering.golden_answers import GoldenInput, ask_graph, ask_stage
from serval_cli.views import models as views

app = new_app("Add golden requests to a bundle.")


@app.callback()
def golden() -> None:
    """Add golden requests to a bundle."""


@app.command()
def add(
    model: ModelArgument,
    given: Annotated[
        str,
        typer.Argument(
            metavar="INPUT",
            help="For tensors a .npy, .npz, .json, .csv or an image; else what the task or the "
            "handler takes: a text, a file or JSON.",
        ),
    ],
    bundle: Annotated[
        Path | None,
        typer.Option("--bundle", metavar="FOLDER", help="The model's bundle; without it ./MODEL."),
    ] = None,
    parameter: ParameterOption = None,
    positional: SamplePositionalOption = False,
    local: Annotated[
        bool, typer.Option("--local", help="Ask the bundle's own graph on this machine.")
    ] = False,
    version: Annotated[
        str | None,
        typer.Option("--version", metavar="N", help="Who answers; without it the route decides."),
    ] = None,
    api_key: ApiKeyOption = None,
    stage: StageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask the live model, and keep request and answer as a golden request of its bundle.

    The next version pushed from that folder must give the same answer. A model with a task or a
    handler is asked in the words of that.
    """
    check_model_name(model)
    folder = bundle or Path(model)
    kept = find_golden_file(folder, model)
    columns = ColumnChoice({}, kept.columns, positional)
    asked = GoldenInput(given, read_parameters(parameter or ()), columns)
    if local and version is not None:
        raise typer.BadParameter("--local asks the bundle's graph, --version a published one")
    if local:
        line = ask_graph(folder, asked)
    else:
        line = ask_stage(open_client(find_stage(stage), api_key), model, version, asked)
    count = kept.add(line.text)
    result = {
        "model": model,
        "version": line.version,
        "file": str(kept.path),
        "requests": count,
    }
    show(result, views.golden_added, as_json=as_json)
