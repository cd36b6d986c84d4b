"""Pipelines over toy models, as a stage would have checked and registered them."""

from functools import partial
from pathlib import Path

from serval.bootstrap.pipelines import open_pipeline
from serval.bundles.pipeline import read_pipeline
from serval.bundles.pipeline_verification import check_steps, plan_of
from serval.errors import BundleRefused
from serval.models.route import KnownStables, Route
from serval.models.version import ModelVersion
from serval.pipelines.definition import PIPELINE_YAML
from tests.fakes.inference import TWO_COLUMNS, Bench, InMemoryEdge, bench, plus
from tests.fakes.task_models import publish_sentiment


def pipeline_bench(folder: Path) -> Bench:
    """Build an endpoint that runs pipelines, over an in-memory edge and a good key."""
    made = bench(folder)
    stable = KnownStables(made.edge.route, made.clock)
    made.endpoint.inference.loaded.compose = partial(open_pipeline, stable)
    made.edge.grant("srv_good")
    return made


def ready_bench(folder: Path) -> Bench:
    """Build such an endpoint with two models that add and one that classifies texts."""
    made = pipeline_bench(folder)
    made.edge.publish("one", "1", plus(1), TWO_COLUMNS)
    made.edge.publish("ten", "1", plus(10), TWO_COLUMNS)
    publish_sentiment(made.edge, "sentiment")
    return made


def publish_pipeline(edge: InMemoryEdge, text: str, version: str = "1") -> ModelVersion:
    """Check a pipeline as ``verify`` does, and make it the stable version."""
    pipeline = read_pipeline(text)
    plan = plan_of(pipeline)
    records = {}
    for step in plan.definition.calls():
        model = step.model or ""
        number = step.version or edge.routes[model].stable
        records[model, step.version] = edge.records[model, number]
    reasons, signature = check_steps(plan, records)
    if reasons:
        raise BundleRefused(reasons)
    record = ModelVersion(
        model=pipeline.name,
        version=version,
        digest="",
        created="2026-01-01T00:00:00.000Z",
        artifact=PIPELINE_YAML,
        artifact_files=(),
        files=(),
        signature=signature,
        runtime="pipeline",
        bundle=pipeline.to_json(),
    )
    edge.records[pipeline.name, version] = record
    edge.routes[pipeline.name] = Route(version)
    return record
