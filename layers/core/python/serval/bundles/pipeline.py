"""``pipeline.yaml``: a bundle whose answers other models make; the same kind as model.yaml.

``python -m serval.bundles.pipeline`` prints its JSON Schema, docs/pipeline.schema.json.
"""

import json
from collections.abc import Collection
from typing import Annotated, Any, Self

from pydantic import Field, JsonValue, model_validator

from serval.bundles.bundle import BundlePath, DeclaredTensor, Name, RolloutSection
from serval.models.storage import VERSION
from serval.models.version import PIPELINE
from serval.pipelines.definition import (
    MOST_STEPS,
    PIPELINE_YAML,
    STEP_NAME,
    STEP_NAME_EXPECTED,
    PipelineDefinition,
)
from serval.yaml_files import Matching, Section, read_section

StepName = Annotated[str, Matching(STEP_NAME, STEP_NAME_EXPECTED)]
ExpressionText = Annotated[str, Field(min_length=1)]
VersionNumber = Annotated[str, Matching(VERSION, 'the number of a version in quotes, as "3"')]
TensorName = Annotated[str, Field(min_length=1)]


class PipelineInput(DeclaredTensor):
    """A tensor that callers of a pipeline send."""

    name: StepName
    """Its name, by which expressions read it."""


class OnError(Section):
    """What stands for the answer of a step that fails."""

    step: StepName | None = None
    """Another step, which runs then, and only then."""
    value: JsonValue = None
    """A value."""

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise ValueError("one of 'step' and 'value' expected")
        return self


class PipelineStep(Section):
    """One step: a model that is asked, or a rule."""

    name: StepName
    """Its name, by which expressions read its answer."""
    model: Name | None = None
    """The model that is asked."""
    version: VersionNumber | None = None
    """The version that is asked; without it the model's stable one, whichever that is."""
    input: Annotated[dict[TensorName, ExpressionText], Field(min_length=1)] | None = None
    """Input of the model, or ``text``, ``image``, ``audio``, ``args`` or ``parameters`` of its
    task → expression; without it, the model takes the pipeline's inputs of the same names."""
    rule: ExpressionText | None = None
    """An expression, whose value is the step's answer."""
    when: ExpressionText | None = None
    """An expression; unless it is true, the step is skipped."""
    on_error: OnError | None = None
    timeout_seconds: Annotated[float, Field(gt=0, le=25)] | None = None
    """A step that takes longer has failed."""

    @model_validator(mode="after")
    def _check_kind(self) -> Self:
        if (self.model is None) == (self.rule is None):
            raise ValueError("one of 'model' and 'rule' expected")
        given = [key for key in ("version", "input") if getattr(self, key) is not None]
        if self.rule is not None and given:
            raise ValueError(f"'{given[0]}' is for steps with a 'model'")
        return self

    def to_json(self) -> dict[str, Any]:
        """Return the step as plain JSON values: what is given, and nothing else."""
        return self.model_dump(mode="json", exclude_unset=True)


class Pipeline(Section):
    """A pipeline: what it takes, its steps, and what it gives."""

    name: Name
    """The name that clients call."""
    description: Annotated[str, Field(max_length=1000)] = ""
    """One line for people."""
    inputs: Annotated[tuple[PipelineInput, ...], Field(min_length=1, max_length=50)]
    """Tensors of a request."""
    steps: Annotated[tuple[PipelineStep, ...], Field(min_length=1, max_length=MOST_STEPS)]
    """What is done; a step runs once what its expressions read is there."""
    output: ExpressionText | Annotated[dict[TensorName, ExpressionText], Field(min_length=1)]
    """An expression, such as a step's name; or the names of output tensors, and the step's
    output that each is."""
    rollout: RolloutSection = RolloutSection()
    golden: BundlePath | None = None
    """File of requests with expected answers, one JSON object per line."""
    golden_tolerance: Annotated[float, Field(ge=0)] | None = None
    """As in ``model.yaml``."""

    @property
    def artifact(self) -> str:
        """The file that says what is run."""
        return PIPELINE_YAML

    def to_json(self) -> dict[str, Any]:
        """Return ``pipeline.yaml`` as plain JSON values, as the record of a version has it."""
        steps = [step.to_json() for step in self.steps]
        return {**self.model_dump(mode="json"), "steps": steps, "runtime": {"kind": PIPELINE}}


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of ``pipeline.yaml``."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Pipeline.model_json_schema(),
        "title": "pipeline.yaml of a Serval bundle",
    }


def is_pipeline(paths: Collection[str]) -> bool:
    """Return whether the files of a bundle are those of a pipeline."""
    return PIPELINE_YAML in paths


def read_pipeline(text: bytes | str) -> Pipeline:
    """Parse and validate ``pipeline.yaml``, but not its expressions.

    Raises
    ------
    BundleRefused
        With every mistake: the key, its value and what is expected.
    """
    return read_section(text, PIPELINE_YAML, Pipeline)


def define(pipeline: Pipeline) -> PipelineDefinition:
    """Return the definition that the engine works by."""
    return PipelineDefinition.from_json(pipeline.to_json())


if __name__ == "__main__":
    print(json.dumps(json_schema(), indent=2))
