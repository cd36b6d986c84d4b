"""``serval pipeline``: what a pipeline is made of."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Protocol, get_args

import typer

from serval.batch.job.cost import PRICES
from serval.errors import ServiceUnavailable
from serval.models.metadata import pipeline_steps
from serval.models.registry import ModelRegistry
from serval.models.route import Counted
from serval.models.statistics import ModelStatistics
from serval.models.storage import VERSION
from serval.models.version import DEFAULT_MEMORY_MIB, PIPELINE
from serval.pipelines.definition import PipelineDefinition
from serval.pipelines.plan import make_plan
from serval_cli.failures import CommandFailed
from serval_cli.options import JsonOption, ModelArgument, StageOption, VersionOption, new_app
from serval_cli.output import note, show
from serval_cli.stages.stage import find_stage
from serval_cli.views import pipeline_drawing as drawing
from serval_cli.views import pipelines as views


class PipelineStatistics(ModelStatistics, Protocol):
    """Statistics of pipelines, too; ``serval.aws.cloudwatch.statistics`` reads the metrics."""

    def step_errors(self, model: str, steps: Sequence[str]) -> Mapping[str, int]:
        """Read in how many runs each step failed, or raise ``ServiceUnavailable``."""


app = new_app("Show what pipelines are made of.")


@app.callback()
def pipeline() -> None:
    """Show what pipelines are made of."""


@app.command("show")
def show_pipeline(
    model: ModelArgument,
    mermaid: Annotated[
        bool, typer.Option("--mermaid", help="Print the graph as mermaid, for a page of Markdown.")
    ] = False,
    as_svg: Annotated[
        bool, typer.Option("--svg", help="Print the graph as a picture in SVG.")
    ] = False,
    version: VersionOption = None,
    stage: StageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the steps of a pipeline, each with what it reads, takes and costs, and its errors."""
    if mermaid and as_svg:
        raise CommandFailed("--mermaid and --svg: one of them expected")
    found_stage = find_stage(stage)
    found = describe_pipeline(found_stage.registry, model, version)
    add_errors(found, found_stage.statistics)
    view = views.mermaid if mermaid else drawing.svg if as_svg else views.tree
    show(found, view, as_json=as_json)


def describe_pipeline(
    registry: ModelRegistry, model: str, version: str | None = None
) -> dict[str, Any]:
    """Describe a pipeline, by default its stable version.

    Raises
    ------
    CommandFailed
        If the model is no pipeline.
    ModelNotFound, ModelVersionNotFound
        If there is no such model or version.
    """
    if version is not None and not VERSION.fullmatch(version):
        raise CommandFailed(f"version {version!r}: a number as `serval describe` lists expected")
    record = registry.version(model, version or registry.route(model).stable)
    if record.runtime != PIPELINE:
        raise CommandFailed(
            f"model {model!r} version {record.version} is not a pipeline: "
            f"`serval describe {model}` shows it"
        )
    definition = PipelineDefinition.from_json(record.bundle)
    plan = make_plan(definition)
    output_reads = {name for read in plan.reading.values() for name in read.names}
    read = output_reads.union(*(planned.reads for planned in plan.steps.values()))
    listed = {step["name"]: step for step in pipeline_steps(record)}
    taken = record.measurements.get("steps_p50_ms", {})
    return {
        "pipeline": model,
        "version": record.version,
        "description": record.bundle.get("description", ""),
        **measure(record.measurements.get("p50_ms")),
        **({"task": definition.task} if definition.task else {}),
        "inputs": [
            spec.to_json()
            for spec in definition.inputs
            if spec.name in read or not definition.says(spec.name)
        ],
        "steps": [
            {
                **listed[step.name],
                "reads": sorted(plan.steps[step.name].reads),
                **({"when": step.when} if step.when else {}),
                **({"stands_in": step.fallback} if step.fallback else {}),
                **measure(taken.get(step.name)),
            }
            for step in definition.steps
        ],
        "output": definition.output,
        "output_reads": sorted(output_reads),
        "outputs": [spec.to_json() for spec in record.signature.outputs],
    }


def add_errors(found: dict[str, Any], statistics: PipelineStatistics) -> None:
    """Add the errors of the last hours, of all versions together, if the metrics answer."""
    model, steps = found["pipeline"], {step["name"]: step for step in found["steps"]}
    tracks: Iterable[Counted] = (track for track in get_args(Counted) if track != "cached")
    try:
        failed = statistics.step_errors(model, list(steps))
        counted = statistics.of([(model, track) for track in tracks])
    except ServiceUnavailable as unavailable:
        note(f"no errors are shown: {unavailable}")
        return
    found["errors"] = sum(track.errors for track in counted.values())
    for name, step in steps.items():
        step["errors"] = failed[name]


def measure(p50_ms: float | None) -> dict[str, float]:
    """Return a time, and what a million of them cost in the function that models share."""
    if p50_ms is None:
        return {}
    gb_seconds = p50_ms * 1e3 * DEFAULT_MEMORY_MIB / 1024  # of a million
    return {"p50_ms": p50_ms, "usd_per_million": round(gb_seconds * PRICES.lambda_gb_second, 4)}
