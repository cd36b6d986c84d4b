"""``serval describe``: everything the registry knows about a model."""

from typing import Any

from serval.errors import ModelNotFound
from serval.models.registry import ModelRegistry
from serval.models.version import ModelVersion
from serval.rollouts.standing import read_route
from serval_cli.options import JsonOption, ModelArgument, StageOption, new_app
from serval_cli.output import show
from serval_cli.stages.stage import find_stage
from serval_cli.steering.rollout_state import describe_route, describe_standing
from serval_cli.views import models as views

LAST_ROLLOUTS = 10

app = new_app()


@app.command()
def describe(model: ModelArgument, stage: StageOption = None, as_json: JsonOption = False) -> None:
    """Show a model's route, versions, signature and last rollouts.

    Refused rollouts are listed with every reason, a running one with its step and percent.
    """
    show(describe_model(find_stage(stage).registry, model), views.description, as_json=as_json)


def describe_model(registry: ModelRegistry, model: str) -> dict[str, Any]:
    """Describe a model; without a single accepted upload it has no route and no versions.

    Raises
    ------
    ModelNotFound
        If nothing was ever uploaded for it.
    """
    rollouts = registry.rollouts(model)[:LAST_ROLLOUTS]
    route = read_route(registry, model)
    if route is None and not rollouts:
        raise ModelNotFound(model)
    versions = registry.versions(model)
    shown = next((v for v in versions if route and v.version == route.stable), None)
    return {
        "model": model,
        "description": shown.bundle.get("description", "") if shown else "",
        "route": describe_route(route),
        "versions": [version.version for version in versions],
        "published": [describe_version(version) for version in versions],
        "signature": shown.signature.to_json() if shown else None,
        "rollouts": [
            describe_standing(rollout) | {"created": rollout.created, "updated": rollout.updated}
            for rollout in rollouts
        ],
    }


def describe_version(version: ModelVersion) -> dict[str, Any]:
    """Describe a version in short."""
    return {
        "version": version.version,
        "created": version.created,
        "digest": version.digest,
        "artifact_bytes": version.artifact_bytes,
    }
