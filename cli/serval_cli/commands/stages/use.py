"""``serval use``: choose the stage that commands work on."""

import os
from typing import Annotated, Any

import typer
from rich.text import Text

from serval_cli.local.state_folder import StateFolder
from serval_cli.options import STAGE_VARIABLE, JsonOption, new_app
from serval_cli.output import note, show
from serval_cli.stages.choice import forget, remember, remembered_stage

app = new_app()


@app.command()
def use(
    stage: Annotated[
        str | None,
        typer.Argument(metavar="STAGE", show_default=False, help="Without it: show the choice."),
    ] = None,
    none: Annotated[bool, typer.Option("--none", help="Forget the choice.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Choose the stage that commands work on.

    The choice is remembered; `--stage` and SERVAL_STAGE take precedence. Without STAGE: show the
    choice and where it comes from.
    """
    if none and stage is not None:
        raise typer.BadParameter("STAGE or --none, not both")
    if none:
        forget()
    elif stage is not None:
        remember(stage)
        if os.environ.get(STAGE_VARIABLE, stage) != stage:
            note(f"{stage!r} is remembered, and counts once {STAGE_VARIABLE} is no longer set")
    show(describe_choice(), view_choice, as_json=as_json)


def describe_choice() -> dict[str, Any]:
    """Describe the choice and its source."""
    if named := os.environ.get(STAGE_VARIABLE):
        return {"stage": named, "source": STAGE_VARIABLE}
    remembered = remembered_stage()
    source = str(StateFolder.locate().chosen_stage) if remembered else None
    return {"stage": remembered, "source": source}


def view_choice(chosen: dict[str, Any]) -> Text:
    """Show the choice."""
    if chosen["stage"] is None:
        return Text("no stage is chosen")
    return Text(f"{chosen['stage']} (from {chosen['source']})")
