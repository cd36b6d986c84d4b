"""What the models of a repository start by the clock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from serval.bundles.bundle import Bundle, Retrain, Schedule
from serval.pipelines.definition import PIPELINE_YAML
from stacks.stage.bundle_folders import DeclaredTwice, read_pipeline_folder


@dataclass(frozen=True, slots=True)
class ClockEntries:
    """What starts by the clock: at least one of them."""

    schedules: Sequence[Schedule]
    retrain: Sequence[Retrain] = ()


def entries_of(bundle: Bundle) -> ClockEntries | None:
    """Return what a model starts by the clock; None if that is nothing."""
    if bundle.schedules or bundle.retrain:
        return ClockEntries(bundle.schedules, bundle.retrain)
    return None


def read_schedules(models: Path, bundles: Mapping[str, Bundle]) -> Mapping[str, ClockEntries]:
    """Collect those of models, and read ``models/*/pipeline.yaml`` for those of pipelines.

    Raises
    ------
    BundleRefused
        If a pipeline is invalid.
    DeclaredTwice
        If a pipeline with schedules has the name of another model.
    """
    found = {name: entries_of(bundle) for name, bundle in bundles.items()}
    scheduled = {name: entries for name, entries in found.items() if entries is not None}
    for path in sorted(models.glob(f"*/{PIPELINE_YAML}")):
        pipeline = read_pipeline_folder(path)
        if not pipeline.schedules:
            continue
        if pipeline.name in found or pipeline.name in scheduled:
            raise DeclaredTwice(path, pipeline.name)
        scheduled[pipeline.name] = ClockEntries(pipeline.schedules)
    return scheduled
