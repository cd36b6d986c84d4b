"""Find what a pipeline's steps call, and the records of it, when its upload is claimed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from serval.bundles.pipeline import Pipeline, read_pipeline
from serval.bundles.uploads import IncomingArtifacts, StoredObject, UploadedFile, check_size
from serval.bundles.used_versions import UsedVersion
from serval.errors import BundleRefused, ModelNotFound, ModelVersionNotFound
from serval.models.registry import ModelRegistry
from serval.models.version import PIPELINE
from serval.pipelines.definition import PIPELINE_YAML, PipelineDefinition
from serval.suggestion import did_you_mean
from serval.yaml_files import LIMIT_BYTES

MOST_LEVELS = 5
"""Of pipelines within each other, the one that is published counted."""
MOST_USED = 100
"""Versions, which the steps of a rollout hand on by name."""
Records = Mapping[str, StoredObject]
"""Name of a URL → the record of a version."""


def find_uses(
    files: Sequence[UploadedFile], artifacts: IncomingArtifacts, registry: ModelRegistry
) -> tuple[tuple[UsedVersion, ...], Records]:
    """Find what the steps of an uploaded pipeline call; nothing for other bundles.

    Raises
    ------
    BundleRefused
        If pipeline.yaml is wrong, or names a model or a version that is not there.
    """
    source = next((file.source for file in files if file.path == PIPELINE_YAML), None)
    if source is None:
        return (), {}
    check_size(PIPELINE_YAML, source, LIMIT_BYTES)
    found, reasons = find_used(read_pipeline(artifacts.read(source)), registry)
    records = {}
    for each in found:
        if (record := artifacts.find(each.url_name[1:])) is not None:
            records[replace(each, size_bytes=record.size_bytes)] = record
        else:
            lost = f"model {each.model!r} version {each.version} lost its record"
            reasons.append(f"{PIPELINE_YAML}: {lost}: publish it again")
    if reasons:
        raise BundleRefused(reasons)
    return tuple(records), {each.url_name: record for each, record in records.items()}


def find_used(pipeline: Pipeline, registry: ModelRegistry) -> tuple[list[UsedVersion], list[str]]:
    """Find what a pipeline calls now, and list the reasons why a step would find nothing.

    What its steps call that are pipelines themselves is found, too.
    """
    found = UsesOf(pipeline.name, registry)
    for index, step in enumerate(pipeline.steps):
        for place, model, pinned in step.calls():
            found.add(model, pinned, f"{PIPELINE_YAML}: steps.{index}{place}", (pipeline.name,))
    if len(found.used) > MOST_USED:
        found.reasons.append(
            f"{PIPELINE_YAML}: steps: {len(found.used)} versions are called, with what pipelines "
            f"among them call; at most {MOST_USED} allowed"
        )
    return list(found.used.values()), found.reasons


@dataclass(slots=True)
class UsesOf:
    """What a pipeline calls, and what is wrong with that."""

    name: str
    registry: ModelRegistry
    used: dict[tuple[str, str | None], UsedVersion] = field(default_factory=dict)
    """Model and pinned version, None for the stable one → the version."""
    reasons: list[str] = field(default_factory=list)
    _seen: set[tuple[str, str | None, int]] = field(default_factory=set)
    """What was looked at, at which level."""

    def _refuse(self, reason: str) -> None:
        if reason not in self.reasons:
            self.reasons.append(reason)

    def add(self, model: str, pinned: str | None, place: str, path: tuple[str, ...]) -> None:
        """Add a version, and what it calls if it is a pipeline; ``path`` has who calls it."""
        if model in path:
            said = f"{model!r} would call itself: {' → '.join((*path, model))}"
            self._refuse(f"{place}.model: {said}")
            return
        if (model, pinned, len(path)) in self._seen:
            return
        self._seen.add((model, pinned, len(path)))
        try:
            number = pinned or self.registry.route(model).stable
            record = self.registry.version(model, number)
        except (ModelNotFound, ModelVersionNotFound) as missing:
            self._refuse(f"{place}.{_key(missing)}: {self._tell(missing, path)}")
            return
        self.used[model, pinned] = UsedVersion(model, number, pinned is not None)
        if record.runtime != PIPELINE:
            return
        if len(path) >= MOST_LEVELS:
            said = f"at most {MOST_LEVELS} pipelines may call each other"
            self._refuse(f"{place}.model: {said}: {' → '.join((*path, model))}")
        else:
            for step in PipelineDefinition.from_json(record.bundle).calls():
                self.add(step.model or "", step.version, place, (*path, model))

    def _tell(self, missing: ModelNotFound | ModelVersionNotFound, path: tuple[str, ...]) -> str:
        """Write what is missing, and which pipeline needs it if that is not the one in the file."""
        said = _explain(missing)
        if isinstance(missing, ModelNotFound):
            known = set(self.registry.models()) - set(path)
            said += did_you_mean(missing.model, sorted(known))
        return said if len(path) == 1 else f"{' → '.join(path)}: {said}"


def _key(missing: ModelNotFound | ModelVersionNotFound) -> str:
    return "version" if isinstance(missing, ModelVersionNotFound) else "model"


def _explain(missing: ModelNotFound | ModelVersionNotFound) -> str:
    """Write what is missing for those who publish, who have the command line at hand."""
    if isinstance(missing, ModelNotFound):
        return f"model {missing.model!r} is not registered: `serval models` lists those that are"
    return (
        f"model {missing.model!r} has no version {missing.version!r}: `serval versions "
        f"{missing.model}` lists those it has"
    )
