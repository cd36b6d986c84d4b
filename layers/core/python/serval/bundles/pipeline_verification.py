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
from serval.models.version import ModelVersion
from serval.pipelines.calls import NOT_YET
from serval.pipelines.check import PipelineCheck
from serval.pipelines.definition import PIPELINE_YAML, place_of
from serval.pipelines.plan import PipelinePlan, PlanRefused, make_plan
from serval.protocol.limits import REQUESTS_MIB

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
    reasons += found + name_reasons(pipeline.name, deployment)
    reasons += deployment_reasons(plan, records, deployment)
    if reasons:
        raise BundleRefused(reasons)
    return pipeline, signature


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


def deployment_reasons(plan: PipelinePlan, records: Records, deployment: Deployment) -> list[str]:
    """List why the shared function of this stage cannot run the steps."""
    reasons = []
    for step in plan.definition.calls():
        record = records.get((step.model or "", step.version))
        if record is None:
            continue
        deployed = record.model in deployment.memory_mib
        if deployed and record.bundle.get("compute", {}).get("memory_mib") is None:
            place = place_of(step)
            reasons.append(f"{place}: model {record.model!r} has a function of its own: {NOT_YET}")
    versions = {(each.model, each.version): each for each in records.values()}.values()
    size = sum(each.artifact_bytes + each.task_bytes for each in versions)
    needed_mib = math.ceil(RUNTIME_MIB + MEMORY_PER_BYTE * size / MEBIBYTE + REQUESTS_MIB)
    memory_mib = deployment.memory_mib[SHARED]
    if size and needed_mib > memory_mib:
        reasons.append(
            f"the steps load {size} bytes of artifacts, which with requests beside them need "
            f"{needed_mib} MiB of memory; the shared function has {memory_mib}: {NOT_YET}"
        )
    return reasons
