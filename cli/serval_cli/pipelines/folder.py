"""Read the folder of a pipeline: ``pipeline.yaml``, its golden requests and ``README.md``."""

from pathlib import Path

from serval.bundles.pipeline import Pipeline, read_pipeline
from serval.bundles.pipeline_uses import find_used
from serval.bundles.pipeline_verification import (
    check_steps,
    file_reasons,
    plan_of,
    writing_reasons,
)
from serval.bundles.verification.served import README
from serval.errors import BundleRefused
from serval.models.registry import ModelRegistry
from serval.pipelines.definition import PIPELINE_YAML


def read_pipeline_files(folder: Path, inside: set[str]) -> tuple[Pipeline, dict[str, int]]:
    """Read and check a pipeline; return it with the sizes of its files.

    Raises
    ------
    BundleRefused
        With every reason that can be found without its models.
    """
    pipeline = read_pipeline((folder / PIPELINE_YAML).read_bytes())
    reasons = file_reasons(pipeline, inside) + writing_reasons(pipeline)
    plan_of(pipeline, reasons)
    if reasons:
        raise BundleRefused(reasons)
    named = {PIPELINE_YAML, README, *filter(None, [pipeline.golden])}
    return pipeline, {path: (folder / path).stat().st_size for path in named & inside}


def check_models(pipeline: Pipeline, registry: ModelRegistry) -> None:
    """Check a pipeline against the versions that a stage has, as the stage will.

    Raises
    ------
    BundleRefused
        With every reason.
    """
    used, reasons = find_used(pipeline, registry)
    records = {
        (each.model, each.version if each.pinned else None): registry.version(
            each.model, each.version
        )
        for each in used
    }
    more, _ = check_steps(plan_of(pipeline), records)
    if reasons or more:
        raise BundleRefused([*reasons, *more])
