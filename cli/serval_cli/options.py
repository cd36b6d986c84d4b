"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from serval_cli.output import note

STAGE_VARIABLE = "SERVAL_STAGE"
BUNDLE_FILES = ("model.yaml", "pipeline.yaml")
StageOption = Annotated[
    str | None,
    typer.Option(
        "--stage",
        envvar=STAGE_VARIABLE,
        metavar="NAME",
        show_default=False,
        help="Stage to work on; without it the one that `serval use` chose.",
    ),
]
ApiKeyOption = Annotated[
    str | None,
    typer.Option(
        "--api-key",
        envvar="SERVAL_API_KEY",
        metavar="KEY",
        show_default=False,
        help="API key; the local stage has one of its own.",
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print JSON on stdout, and nothing else there.")
]
PatienceOption = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        min=0,
        metavar="SECONDS",
        show_default=False,
        help="How long to wait; else while the rollout moves, or an hour without a terminal.",
    ),
]
SamplePositionalOption = Annotated[
    bool,
    typer.Option(
        "--positional",
        help="Of a .csv, the first columns fill the inputs in order, whatever their names.",
    ),
]


VersionOption = Annotated[
    str | None,
    typer.Option(
        "--version",
        metavar="N",
        show_default=False,
        help="A version, instead of what the route gives.",
    ),
]
ParameterOption = Annotated[
    list[str] | None,
    typer.Option(
        "--parameter",
        "-p",
        metavar="NAME=VALUE",
        show_default=False,
        help="A parameter of the task, such as top_k=3; may be repeated.",
    ),
]


def check_bundles_folder(folder: Path | None) -> Path | None:
    """Refuse a folder that is itself a bundle, and note one that holds none."""
    if folder is None or any(any(folder.glob(f"*/{name}")) for name in BUNDLE_FILES):
        return folder
    if any((folder / name).is_file() for name in BUNDLE_FILES):
        raise typer.BadParameter(f"{folder} is a bundle: name the folder that it lies in")
    files = " or a ".join(BUNDLE_FILES)
    note(f"no folder in {folder} is a bundle (none has a {files}): nothing of it is deployed")
    return folder


ModelsOption = Annotated[
    Path | None,
    typer.Option(
        "--models",
        callback=check_bundles_folder,
        exists=True,
        file_okay=False,
        resolve_path=True,
        metavar="DIR",
        show_default=False,
        help="Folder of bundles, each in a folder of its own, instead of the examples in models/.",
    ),
]
FleetsOption = Annotated[
    Path | None,
    typer.Option(
        "--fleets",
        exists=True,
        dir_okay=False,
        resolve_path=True,
        metavar="FILE",
        show_default=False,
        help="File that declares the stage's fleets, as fleets.yaml does.",
    ),
]
ModelArgument = Annotated[str, typer.Argument(metavar="MODEL", help="Name of the model.")]


def new_app(summary: str | None = None) -> typer.Typer:
    """Create the Typer app of a command, or of a group if there is a summary."""
    return typer.Typer(
        add_completion=False,
        rich_markup_mode="markdown",
        help=summary,
        no_args_is_help=summary is not None,
    )
