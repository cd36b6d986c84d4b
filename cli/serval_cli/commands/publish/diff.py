"""``serval diff``: compare two versions."""

from typing import Annotated

import typer

from serval.models.registry import ModelRegistry
from serval.rollouts.comparison import Comparison, compare_versions
from serval_cli.options import JsonOption, ModelArgument, StageOption, new_app
from serval_cli.output import show
from serval_cli.stages.stage import find_stage
from serval_cli.views import rollouts as rollout_views

app = new_app()


@app.command()
def diff(
    model: ModelArgument,
    old: Annotated[str, typer.Argument(metavar="V1", help="A version.")],
    new: Annotated[str, typer.Argument(metavar="V2", help="Another one.")],
    stage: StageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two versions of a model.

    Signature, compute, settings, what the golden check measured (answers, latency, memory), sizes
    and files.
    """
    compared = compare(find_stage(stage).registry, model, old, new)
    show(compared.to_json(), rollout_views.comparison, as_json=as_json)


def compare(registry: ModelRegistry, model: str, old: str, new: str) -> Comparison:
    """Compare two versions by their numbers.

    Raises
    ------
    ModelNotFound, ModelVersionNotFound
        If there is no such model or version.
    """
    registry.route(model)
    return compare_versions(registry.version(model, old), registry.version(model, new))
