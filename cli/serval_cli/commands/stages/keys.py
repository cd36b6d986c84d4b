"""``serval keys``: create, list and revoke API keys."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from serval.access.api_key import (
    ALL_MODELS,
    MOST_PER_MINUTE,
    RATE_PER_MINUTE,
    REALTIME_PER_MINUTE,
    ApiKey,
    callback_secret_text,
    hash_api_key,
)
from serval_cli.failures import CommandFailed
from serval_cli.options import JsonOption, StageOption, new_app
from serval_cli.output import note, show
from serval_cli.stages.stage import find_stage
from serval_cli.views import models as views

app = new_app("Create, list and revoke API keys.")


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who or what will use the key.")],
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="MODEL",
            help="A model that the key may call; may be repeated. Without it: all.",
        ),
    ] = None,
    rate: Annotated[
        int,
        typer.Option(
            "--rate",
            metavar="N",
            min=1,
            max=MOST_PER_MINUTE,
            help="How many async requests it may submit in a minute.",
        ),
    ] = RATE_PER_MINUTE,
    realtime_rate: Annotated[
        int,
        typer.Option(
            "--realtime-rate",
            metavar="N",
            min=1,
            max=MOST_PER_MINUTE,
            help="How many requests to models on Lambda each environment answers it in a minute.",
        ),
    ] = REALTIME_PER_MINUTE,
    stage: StageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create an API key and show it, this once, with the secret that signs its callbacks."""
    models = model or [ALL_MODELS]
    found = find_stage(stage, writes=True)
    try:
        text, key = found.api_keys.create(name, models, rate, realtime_rate)
    except ValueError as problem:
        raise CommandFailed(str(problem)) from None
    for unknown in sorted(set(models) - {ALL_MODELS} - set(found.registry.models())):
        note(f"model {unknown!r} is not registered yet: the key will be good for it when it is")
    secret = callback_secret_text(found.api_keys.callback_secret(hash_api_key(text)))
    created = {"key": text, "callback_secret": secret, **describe_key(key)}
    show(created, views.created_key, as_json=as_json)


@app.command("list")
def list_keys(stage: StageOption = None, as_json: JsonOption = False) -> None:
    """List the API keys; the keys themselves are stored nowhere."""
    keys = find_stage(stage).api_keys.keys()
    show({"keys": [describe_key(key) for key in keys]}, views.keys, as_json=as_json)


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As `serval keys list` shows it.")],
    stage: StageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Revoke an API key; within 60 seconds nothing accepts it any more."""
    key = find_stage(stage, writes=True).api_keys.revoke(key_id)
    if key is None:
        raise CommandFailed(f"no API key has the id {key_id!r}: `serval keys list` shows the ids")
    show(describe_key(key), views.revoked_key, as_json=as_json)


def describe_key(key: ApiKey) -> dict[str, Any]:
    """Describe a key."""
    return {**asdict(key), "models": list(key.models)}
