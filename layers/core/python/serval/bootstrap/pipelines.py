"""Opens pipelines over the versions that a function has in memory."""

from collections.abc import Callable
from functools import partial

from serval.inference.loaded import LoadedVersions
from serval.inference.runtimes import Model
from serval.models.route import KnownStables, Route
from serval.models.version import ModelVersion


def pipeline_opening(
    read: Callable[[str], Route | None],
) -> Callable[[ModelVersion, LoadedVersions], Model]:
    """Build what opens a pipeline, given what reads a model's route."""
    return partial(open_pipeline, KnownStables(read))


def open_pipeline(
    stable: Callable[[str], str], record: ModelVersion, versions: LoadedVersions
) -> Model:
    """Open a pipeline over the versions that are loaded here."""
    # Imported for a version that is one: models of tensors pay for no pipeline.
    from serval.pipelines.model import PipelineModel

    return PipelineModel.open(record, versions, stable)
