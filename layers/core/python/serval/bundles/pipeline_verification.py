"""Verify a pipeline: its files, its definition, and what its steps call."""

import math
from collections.abc import Collection, Mapping, Sequence

from serval.bundles.bundle import MODEL_YAML
from serval.bundles.manifest import Manifest
from serval.bundles.pipeline import Pipeline, define, read_pipeline
from serval.bundles.verification.deployment import (
    MEBIBYTE,
    MEMORY_PER_BYTE,
    RUNTIME_MIB,
    SHARED,
    Deployment,
)
from serval.bundles.verification.files import pickle_reasons
from serval.bundles.verification.readable import ReadableFolder
from serval.errors import BundleRefused
from serval.models.signature import Signature
from serval.models.task_signature import TEXT_GENERATION
from serval.models.version import ModelVersion
from serval.pipelines.check.check import PipelineCheck
from serval.pipelines.definition import PIPELINE_YAML
from serval.pipelines.plan import PipelinePlan, PlanRefused, make_plan
from serval.protocol.limits import REQUESTS_MIB

LONGEST_CALL_SECONDS = 25
"""Of a call that is answered at once; the gateway gives up after 30."""
Records = Mapping[tuple[str, str | None], ModelVersion]
"""Model and pinned version, None for the stable one → the version."""


def verify_pipeline(
    folder: ReadableFolder, manifest: Manifest, deployment: Deployment, records: Records
) -> tuple[Pipeline, Signature]:
    """Verify the pipeline in ``folder``; return it with its signature.

    Raises
    ------
    BundleRefused
        With every reason that can be found at once.
    """
    pipeline = read_pipeline((folder / PIPELINE_YAML).read_bytes())
    reasons = pickle_reasons(manifest.paths) + file_reasons(pipeline, manifest.paths)
    if pipeline.name != manifest.model:
        reasons.append(
            f"{PIPELINE_YAML}: name: {pipeline.name!r} given, {manifest.model!r} expected: "
            f"the upload lies in incoming/{manifest.model}/"
        )
    plan = plan_of(pipeline, reasons)
    found, signature = check_steps(plan, records)
    pipeline = choose_engine(pipeline, records, deployment)
    reasons += found + name_reasons(pipeline.name, deployment) + time_reasons(pipeline)
    elsewhere = {each.model for each in records.values() if runs_elsewhere(each, deployment)}
    reasons += writing_reasons(pipeline, elsewhere)
    if not pipeline.durable:
        reasons += memory_reasons(records, deployment)
    if reasons:
        raise BundleRefused(reasons)
    return pipeline, signature


def choose_engine(pipeline: Pipeline, records: Records, deployment: Deployment) -> Pipeline:
    """Make a pipeline durable if the shared function cannot run a step of it."""
    elsewhere = any(runs_elsewhere(record, deployment) for record in records.values())
    return pipeline.model_copy(update={"durable": True}) if elsewhere else pipeline


def runs_elsewhere(record: ModelVersion, deployment: Deployment) -> bool:
    """Return whether the shared function cannot run a version."""
    has_function = record.has_own_function or record.model in deployment.memory_mib
    return record.on_fleet or record.takes_bodies or record.durable or has_function


def writing_reasons(pipeline: Pipeline, elsewhere: Collection[str] = ()) -> list[str]:
    """List why a pipeline of text-generation would not run in one process.

    ``elsewhere`` has the models of its steps that the shared function cannot run.
    """
    if not pipeline.durable or pipeline.task is None or pipeline.task.name != TEXT_GENERATION:
        return []
    named = ", ".join(map(repr, sorted(elsewhere)))
    why = f"the shared function cannot run {named}" if elsewhere else "'durable: true' is given"
    return [
        f"{PIPELINE_YAML}: task: {why}, and durable pipelines of {TEXT_GENERATION} are not built "
        "yet: steps that the shared function runs expected"
    ]


def time_reasons(pipeline: Pipeline) -> list[str]:
    """List the steps that a pipeline's engine has no time for."""
    if pipeline.durable:
        return []
    return [
        f"{PIPELINE_YAML}: steps.{index}.timeout_seconds: {step.timeout_seconds:g} given, at most "
        f"{LONGEST_CALL_SECONDS} expected; 'durable: true' allows more"
        for index, step in enumerate(pipeline.steps)
        if (step.timeout_seconds or 0) > LONGEST_CALL_SECONDS
    ]


def file_reasons(pipeline: Pipeline, paths: Collection[str]) -> list[str]:
    """List what is wrong with the files beside ``pipeline.yaml``."""
    reasons = []
    if MODEL_YAML in paths:
        reasons.append(f"a bundle has one of {MODEL_YAML} and {PIPELINE_YAML}, both given")
    if pipeline.golden is not None and pipeline.golden not in paths:
        reasons.append(
            f"{PIPELINE_YAML}: golden: {pipeline.golden!r} is not in the bundle, which has "
            f"{', '.join(sorted(paths))}"
        )
    return reasons


def plan_of(pipeline: Pipeline, reasons: Sequence[str] = ()) -> PipelinePlan:
    """Plan a pipeline; what refuses it comes after other reasons.

    Raises
    ------
    BundleRefused
        If there is no plan.
    """
    try:
        return make_plan(define(pipeline))
    except PlanRefused as refused:
        raise BundleRefused([*reasons, *refused.reasons]) from None


def check_steps(plan: PipelinePlan, records: Records) -> tuple[list[str], Signature]:
    """Check steps against what they call; return the reasons and the pipeline's signature."""
    called = {
        step.name: records[step.model, step.version]
        for step in plan.definition.calls()
        if step.model is not None and (step.model, step.version) in records
    }
    check = PipelineCheck(plan, called)
    signature = check.signature()
    return check.reasons, signature


def name_reasons(name: str, deployment: Deployment) -> list[str]:
    """List why calls of a pipeline's name would not reach the shared function."""
    if name not in deployment.memory_mib and deployment.fleet_of(name) is None:
        return []
    return [
        f"model {name!r} is deployed with a function of its own, or on a fleet, and pipelines run "
        "in the function that all models share: give the pipeline another name, or deploy without "
        "that model"
    ]


def memory_reasons(records: Records, deployment: Deployment) -> list[str]:
    """List why the shared function of this stage has not the memory for the steps."""
    versions = {(each.model, each.version): each for each in records.values()}.values()
    size = sum(each.artifact_bytes + each.task_bytes for each in versions)
    needed_mib = math.ceil(RUNTIME_MIB + MEMORY_PER_BYTE * size / MEBIBYTE + REQUESTS_MIB)
    memory_mib = deployment.memory_mib[SHARED]
    if not size or needed_mib <= memory_mib:
        return []
    return [
        f"the steps load {size} bytes of artifacts, which with requests beside them need "
        f"{needed_mib} MiB of memory; the shared function has {memory_mib}: 'durable: true' runs "
        "the steps one by one"
    ]
