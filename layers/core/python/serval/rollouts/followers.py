"""Find the pipelines that would be answered by a new version of a model, once that is stable."""

from collections.abc import Sequence
from typing import Protocol

from serval.bundles.pipeline_uses import UsesOf
from serval.bundles.used_versions import Followers, UsedVersion
from serval.errors import ModelNotFound, ModelVersionNotFound
from serval.models.registry import ModelRegistry
from serval.pipelines.definition import PipelineDefinition

MOST_FOLLOWERS, MOST_USED = 10, 60
"""Pipelines, and versions that they call, which the steps of a rollout hand on by name."""


class PipelineRegistry(ModelRegistry, Protocol):
    """Knows which models are pipelines."""

    def pipelines(self) -> Sequence[str]:
        """List the models whose newest version is a pipeline, by name."""


def find_followers(model: str, registry: PipelineRegistry) -> Followers:
    """Find pipelines with golden requests whose steps, or theirs, ask a model's stable version."""
    pipelines: list[UsedVersion] = []
    used: dict[tuple[str, str | None], UsedVersion] = {}
    left_out = 0
    for name in registry.pipelines():
        found = _uses_of(name, registry)
        if name == model or found is None or (model, None) not in found.used:
            continue
        both = used | found.used
        if len(pipelines) == MOST_FOLLOWERS or len(both) > MOST_USED:
            left_out += 1
            continue
        pipelines.append(UsedVersion(name, registry.route(name).stable, pinned=True))
        used = both
    return Followers(tuple(pipelines), tuple(used.values()), left_out)


def _uses_of(name: str, registry: ModelRegistry) -> UsesOf | None:
    """Return what a pipeline's stable version uses; None if it has no golden requests."""
    try:
        record = registry.version(name, registry.route(name).stable)
    except (ModelNotFound, ModelVersionNotFound):
        return None
    if record.bundle.get("golden") is None or "steps" not in record.bundle:
        return None
    found = UsesOf(name, registry)
    for step in PipelineDefinition.from_json(record.bundle).calls():
        found.add(step.model or "", step.version, step.place, (name,))
    return found
