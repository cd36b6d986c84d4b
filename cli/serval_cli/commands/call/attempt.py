"""``serval try``: try a model with an input of its task."""

from pathlib import Path
from typing import Annotated

import typer

from serval_cli.api.calls import check_model_name, guessing, open_client
from serval_cli.api.task_input import ask_input, ask_parameters, build_body, read_parameters
from serval_cli.bundle.questions import can_ask
from serval_cli.failures import CommandFailed
from serval_cli.options import (
    ApiKeyOption,
    JsonOption,
    ModelArgument,
    ParameterOption,
    StageOption,
    VersionOption,
    new_app,
)
from serval_cli.output import note
from serval_cli.stages.stage import find_stage
from serval_cli.steering.task_answers import call_task, show_answer, task_of

app = new_app()


@app.command(name="try")
def try_model(
    model: ModelArgument,
    given: Annotated[
        str | None,
        typer.Argument(
            metavar="INPUT",
            show_default=False,
            help="A text, a file or JSON, whichever the model takes; else it is asked.",
        ),
    ] = None,
    parameter: ParameterOption = None,
    folder: Annotated[
        Path,
        typer.Option("--dir", metavar="FOLDER", help="Where boxes, masks and sound are saved."),
    ] = Path(),
    version: VersionOption = None,
    api_key: ApiKeyOption = None,
    stage: StageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Try a model with a text, a file or a row.

    Scores are shown as bars. Boxes are drawn on a copy of the image, masks and sound are saved.
    """
    check_model_name(model)
    parameters = read_parameters(parameter or ())
    client = open_client(find_stage(stage), api_key)
    with guessing(client, model):
        task = task_of(client.describe(model, version))
    if task is None:
        raise CommandFailed(
            f"{model!r} has no task, so it takes tensors: `serval infer {model} FILE` sends them, "
            f"and `serval describe {model}` shows which"
        )
    if given is None:
        if not can_ask():
            raise typer.BadParameter("INPUT expected: nobody can be asked without a terminal")
        note(f"{model}: {task}")
        given = ask_input(task, ask)
        parameters = ask_parameters(task, parameters, ask)
    body = build_body(task, given, parameters)
    reply = call_task(client, model, version, body)
    show_answer(reply, body, folder, model, as_json=as_json)


def ask(question: str) -> str:
    """Ask a person."""
    return str(typer.prompt(question, err=True))
