"""``serval lock``: pin the packages of a bundle's handler."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from serval.bundles.bundle import MODEL_YAML
from serval.handlers.conventions import handler_at
from serval_cli.bundle.folder import handler_bundle
from serval_cli.bundle.handler_lock import lock_packages
from serval_cli.failures import CommandFailed
from serval_cli.options import JsonOption, new_app
from serval_cli.output import show

app = new_app()


@app.command()
def lock(
    folder: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder with a model.yaml.")],
    as_json: JsonOption = False,
) -> None:
    """Pin the packages of a bundle's handler.

    Resolves requirements.txt for the machines that are to run the handler, and writes
    requirements.lock with each package's version and hashes. A package without a wheel for these
    machines is refused.
    """
    if not (folder / MODEL_YAML).is_file():
        raise CommandFailed(f"{folder} has no {MODEL_YAML}: `serval init NAME --from` makes it")
    bundle = handler_bundle(folder)
    file = handler_at(bundle.artifact)
    count = lock_packages(folder, file, bundle.compute.target)
    locked = {"lock": None if count is None else file.lock, "packages": count or 0}
    show(locked, describe_lock, as_json=as_json)


def describe_lock(locked: Mapping[str, Any]) -> str:
    """Describe a lock in a line."""
    if locked["lock"] is None:
        return "The handler has no requirements.txt, so no packages of its own."
    return f"{locked['lock']} pins {locked['packages']} packages."
