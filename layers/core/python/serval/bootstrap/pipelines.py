"""Opens pipelines over the versions that a function has in memory."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from serval.inference.loaded import LoadedVersions
from serval.inference.runtimes import ComposedModel
from serval.models.route import KnownStables, Route
from serval.models.version import ModelVersion

if TYPE_CHECKING:
    from serval.durable.hand_over import Machine


def pipeline_opening(
    read: Callable[[str], Route | None], machine: "Machine | None" = None
) -> Callable[[ModelVersion, LoadedVersions], ComposedModel]:
    """Build what opens a pipeline, given what reads a model's route.

    Parameters
    ----------
    machine
        What runs durable pipelines; None: this function has nothing to do with them.
    """
    return partial(open_pipeline, KnownStables(read), machine=machine)


def open_pipeline(
    stable: Callable[[str], str],
    record: ModelVersion,
    versions: LoadedVersions,
    machine: "Machine | None" = None,
) -> ComposedModel:
    """Open a pipeline over the versions that are loaded here, or what hands its requests over."""
    if record.durable:
        # Imported for a version that is one, as below.
        from serval.durable.hand_over import DurablePipeline

        return DurablePipeline(record, machine)
    # Imported for a version that is one: models of tensors pay for no pipeline.
    from serval.pipelines.model import PipelineModel

    return PipelineModel.open(record, versions, stable)
