"""``serval versions``: list a model's versions."""

from collections.abc import Sequence
from typing import Any

from serval.errors import ModelNotFound
from serval.models.registry import ModelRegistry, Rollout
from serval.models.route import Route
from serval.models.version import ModelVersion
from serval_cli.options import JsonOption, ModelArgument, StageOption, new_app
from serval_cli.output import show
from serval_cli.stages.stage import find_stage
from serval_cli.views import rollouts as rollout_views

app = new_app()


@app.command()
def versions(model: ModelArgument, stage: StageOption = None, as_json: JsonOption = False) -> None:
    """List the versions of a model.

    With status, digests, sizes, forms and what the golden check measured.
    """
    registry = find_stage(stage).registry
    show(list_versions(registry, model), rollout_views.versions, as_json=as_json)


def list_versions(registry: ModelRegistry, model: str) -> dict[str, Any]:
    """Describe the versions of a model, oldest first.

    Raises
    ------
    ModelNotFound
        If it has none.
    """
    known = registry.versions(model)
    if not known:
        raise ModelNotFound(model)
    try:
        route: Route | None = registry.route(model)
    except ModelNotFound:  # its first version, a moment before it is promoted
        route = None
    rollouts = registry.rollouts(model)
    return {
        "model": model,
        "versions": [
            describe_version(version, summarise_status(version, route, rollouts))
            for version in known
        ],
    }


def describe_version(version: ModelVersion, status: str) -> dict[str, Any]:
    """Describe a version."""
    return {
        "version": version.version,
        "status": status,
        "created": version.created,
        "digest": version.digest,
        "artifact_bytes": version.artifact_bytes,
        "bundle_bytes": sum(file.size_bytes for file in version.files),
        "forms": [
            {"name": form.name, "cpu_class": form.cpu_class, "size_bytes": form.size_bytes}
            for form in version.forms
        ],
        "golden": dict(version.measurements) or None,
    }


def summarise_status(
    version: ModelVersion, route: Route | None, rollouts: Sequence[Rollout]
) -> str:
    """Summarise a version's status in a word or two."""
    if route is not None and version.version == route.stable:
        return "stable"
    if route is not None and version.version == route.candidate:
        return f"candidate {route.percent} %"
    ended = [found for found in rollouts if found.version == version.version and found.ended]
    if any(found.status == "promoted" for found in ended):
        return "was stable"
    last = max(ended, key=lambda found: found.updated, default=None)
    return "registered" if last is None else last.status
