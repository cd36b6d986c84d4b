"""Find what a pipeline's steps call, and the records of it, when its upload is claimed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from serval.bundles.pipeline import PipelineStep, read_pipeline
from serval.bundles.uploads import IncomingArtifacts, StoredObject, UploadedFile, check_size
from serval.bundles.used_versions import UsedVersion
from serval.errors import BundleRefused, ModelNotFound, ModelVersionNotFound, ServalError
from serval.models.registry import ModelRegistry
from serval.pipelines.definition import PIPELINE_YAML
from serval.yaml_files import LIMIT_BYTES

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
    found, reasons = find_used(read_pipeline(artifacts.read(source)).steps, registry)
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


def find_used(
    steps: Sequence[PipelineStep], registry: ModelRegistry
) -> tuple[list[UsedVersion], list[str]]:
    """Find what steps call now, and list the reasons why a step would find nothing."""
    found: dict[tuple[str, str | None], UsedVersion] = {}
    reasons = []
    for index, step in enumerate(steps):
        for place, model, pinned in step.calls():
            if (model, pinned) in found:
                continue
            try:
                number = pinned or registry.route(model).stable
                registry.version(model, number)
            except (ModelNotFound, ModelVersionNotFound) as missing:
                reasons.append(f"{_place(index, place, missing)}: {missing}")
            else:
                found[model, pinned] = UsedVersion(model, number, pinned is not None)
    return list(found.values()), reasons


def _place(index: int, place: str, missing: ServalError) -> str:
    key = "version" if isinstance(missing, ModelVersionNotFound) else "model"
    return f"{PIPELINE_YAML}: steps.{index}{place}.{key}"
