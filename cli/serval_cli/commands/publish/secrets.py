"""``serval secrets``: set, list and delete the secrets of a model's handler."""

import sys
from typing import Annotated

import typer

from serval.bundles.bundle import MODEL_YAML, Bundle
from serval.bundles.handler_variables import SECRET_NAME, SECRET_NAME_EXPECTED
from serval.models.storage import MODEL_NAME, MODEL_NAME_EXPECTED
from serval_cli.failures import CommandFailed
from serval_cli.options import JsonOption, ModelArgument, StageOption, new_app
from serval_cli.output import note, show
from serval_cli.stages.stage import Stage, find_stage
from serval_cli.views import secrets as views

MOST_BYTES = 4096
"""Of a parameter that costs nothing."""
NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of the secret, as in `secrets:` of model.yaml.")
]
app = new_app("Set, list and delete the secrets of a model's handler.")


@app.command("set")
def set_secret(
    model: ModelArgument,
    name: NameArgument,
    stage: StageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Set a secret, or replace its value, which is read from stdin or asked for on a terminal.

    It is stored encrypted in Parameter Store; the command line never has it.
    """
    check_names(model, name)
    found = stage_of(model, stage, writes=True)
    value = read_value(name)
    version = found.secrets.set(model, name, value)
    if version > 1:
        note("a handler that runs keeps the value that it started with until it starts again")
    show({"model": model, "name": name, "version": version}, views.stored_secret, as_json=as_json)


@app.command("list")
def list_secrets(
    model: ModelArgument, stage: StageOption = None, as_json: JsonOption = False
) -> None:
    """List the secrets of a model, without their values."""
    check_names(model)
    listed = [
        {"name": one.name, "version": one.version, "changed": one.changed.isoformat()}
        for one in stage_of(model, stage).secrets.list_of(model)
    ]
    show({"model": model, "secrets": listed}, views.secrets, as_json=as_json)


@app.command()
def delete(
    model: ModelArgument,
    name: NameArgument,
    stage: StageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete a secret; a handler that runs keeps it until its process ends."""
    check_names(model, name)
    if not find_stage(stage, writes=True).secrets.delete(model, name):
        raise CommandFailed(
            f"model {model!r} has no secret {name!r}: `serval secrets list {model}` shows those set"
        )
    show({"model": model, "name": name, "deleted": True}, views.deleted_secret, as_json=as_json)


def stage_of(model: str, stage: str | None, *, writes: bool = False) -> Stage:
    """Find the stage, and note a model that it does not have yet."""
    found = find_stage(stage, writes=writes)
    if model not in found.registry.models():
        note(f"model {model!r} is not registered yet")
    return found


def check_secrets(bundle: Bundle, stage: Stage) -> None:
    """Refuse a bundle whose handler would miss a secret."""
    wanted = set(bundle.secrets.values())
    there = {one.name for one in stage.secrets.list_of(bundle.name)} if wanted else set()
    if missing := sorted(wanted - there):
        raise CommandFailed(
            f"secret {missing[0]!r}, which secrets: of {MODEL_YAML} names, is not set on stage "
            f"{stage.name!r}: `serval secrets set {bundle.name} {missing[0]}`"
        )


def check_names(model: str, name: str | None = None) -> None:
    """Refuse names that no model and no secret can have."""
    if not MODEL_NAME.fullmatch(model):
        raise CommandFailed(f"{model!r} is not a model name: expected {MODEL_NAME_EXPECTED}")
    if name is not None and not SECRET_NAME.fullmatch(name):
        raise CommandFailed(f"secret {name!r}: {SECRET_NAME_EXPECTED} expected")


def read_value(name: str) -> str:
    """Ask for a value without showing it, or read it from stdin, without its last line end."""
    if sys.stdin.isatty():
        value = str(typer.prompt(f"value of {name}", hide_input=True, err=True))
    else:
        try:
            value = sys.stdin.buffer.read().decode()
        except UnicodeDecodeError:
            raise CommandFailed(f"secret {name!r}: text in UTF-8 expected on stdin") from None
        value = value.removesuffix("\n").removesuffix("\r")
    if "\0" in value:
        raise CommandFailed(f"secret {name!r}: text without NUL characters expected on stdin")
    size_bytes = len(value.encode())
    if not 1 <= size_bytes <= MOST_BYTES:
        raise CommandFailed(
            f"secret {name!r}: {size_bytes} bytes given, 1 to {MOST_BYTES} expected on stdin"
        )
    return value
