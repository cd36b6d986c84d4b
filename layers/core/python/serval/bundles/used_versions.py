"""The versions that a pipeline's steps call at the moment, as a rollout's steps hand them on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from serval.bundles.pipeline import PipelineStep
from serval.errors import ModelNotFound, ModelVersionNotFound, ServalError
from serval.models.registry import ModelRegistry
from serval.models.storage import record_key
from serval.pipelines.definition import PIPELINE_YAML


@dataclass(frozen=True, slots=True)
class UsedVersion:
    """A version that a step calls."""

    model: str
    version: str
    pinned: bool
    """Whether a step asks for it by its number; False: it is the model's stable one."""
    size_bytes: int = 0
    """Of its record in the artifact bucket."""

    @property
    def url_name(self) -> str:
        """Name the URL of its record, apart from the paths of a bundle."""
        return f"/{record_key(self.model, self.version)}"

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {
            "model": self.model,
            "version": self.version,
            "pinned": self.pinned,
            "size_bytes": self.size_bytes,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what ``to_json`` returned."""
        return cls(**value)


def find_used(
    steps: Sequence[PipelineStep], registry: ModelRegistry
) -> tuple[list[UsedVersion], list[str]]:
    """Find what steps call now, and list the reasons why a step would find nothing."""
    found: dict[tuple[str, str | None], UsedVersion] = {}
    reasons = []
    for index, step in enumerate(steps):
        key = step.model or "", step.version
        if step.model is None or key in found:
            continue
        try:
            number = step.version or registry.route(step.model).stable
            registry.version(step.model, number)
        except (ModelNotFound, ModelVersionNotFound) as missing:
            reasons.append(f"{_place(index, missing)}: {missing}")
        else:
            found[key] = UsedVersion(step.model, number, step.version is not None)
    return list(found.values()), reasons


def version_of(used: Iterable[UsedVersion], model: str, pinned: str | None) -> str | None:
    """Return the version that a step calls; None if it is not among those that were found."""
    for each in used:
        if each.model == model and (each.version == pinned if pinned else not each.pinned):
            return each.version
    return None


def _place(index: int, missing: ServalError) -> str:
    key = "version" if isinstance(missing, ModelVersionNotFound) else "model"
    return f"{PIPELINE_YAML}: steps.{index}.{key}"
