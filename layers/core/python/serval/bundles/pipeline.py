"""``pipeline.yaml``: a bundle whose answers other models make; the same kind as model.yaml.

``python -m serval.bundles.pipeline`` prints its JSON Schema, docs/pipeline.schema.json.
"""

import json
from collections.abc import Collection, Iterator
from typing import Annotated, Any, Self

from pydantic import (
    BeforeValidator,
    Field,
    JsonValue,
    ValidationInfo,
    field_validator,
    model_validator,
)

from serval.bundles.bundle import (
    BundlePath,
    DeclaredTensor,
    Name,
    RolloutSection,
    Schedule,
    StepVersion,
    expect_distinct,
)
from serval.bundles.cache_section import CacheSection
from serval.bundles.task_section import PipelineTaskSection, expand_task
from serval.models.task_signature import ANSWERS_IN_FILES
from serval.models.version import PIPELINE
from serval.pipelines.definition import (
    MOST_STEPS,
    PIPELINE_YAML,
    STEP_NAME,
    STEP_NAME_EXPECTED,
    PipelineDefinition,
)
from serval.pipelines.ensembles import KINDS
from serval.yaml_files import Matching, Section, read_section

StepName = Annotated[str, Matching(STEP_NAME, STEP_NAME_EXPECTED)]
ExpressionText = Annotated[str, Field(min_length=1)]
TensorName = Annotated[str, Field(min_length=1)]
MOST_MODELS = 10
"""Of one step."""
MOST_AT_ONCE = 40
STEP_KINDS = ("model", "rule", *KINDS)
STEP_KINDS_NAMED = ", ".join(map(repr, STEP_KINDS[:-1])) + f" and {STEP_KINDS[-1]!r}"
MODELS = tuple(kind for kind in STEP_KINDS if kind != "rule")
NEEDED = {
    "version": ("model",),
    "input": MODELS,
    "combine": ("any_of", "all_of"),
    "until": ("cascade",),
    "item": ("map",),
    "limit": ("map",),
    "cache": MODELS,
}
"""Key of a step → the keys of which it needs one beside it."""
LONGEST_STEP_SECONDS = 7 * 86_400
"""In a durable pipeline."""


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


class EnsembleModel(Section):
    """One of several models that a step asks."""

    model: Name
    """The model that is asked."""
    version: StepVersion = None
    """As of a step."""


class SplitModel(EnsembleModel):
    """One of the models that requests are split over."""

    weight: Annotated[int, Field(ge=1, le=10_000)]
    """Its share of the requests, of the sum of all weights."""


Ensemble = Annotated[tuple[EnsembleModel, ...], Field(min_length=2, max_length=MOST_MODELS)]


class PipelineStep(Section):
    """One step: a model that is asked, several models, or a rule."""

    name: StepName
    """Its name, by which expressions read its answer."""
    model: Name | None = None
    """The model that is asked."""
    version: StepVersion = None
    """The version that is asked; "stable", as without it: the stable one, whichever that is."""
    input: Annotated[dict[TensorName, ExpressionText], Field(min_length=1)] | None = None
    """Input of the model, or ``text``, ``image``, ``audio``, ``args`` or ``parameters`` of its
    task, or member of the body of a handler → expression; without it, the model takes the
    pipeline's inputs of the same names, and a handler is refused."""
    rule: ExpressionText | None = None
    """An expression, whose value is the step's answer."""
    all_of: Ensemble | None = None
    """Models that are all asked; ``combine`` makes one answer of theirs."""
    any_of: Ensemble | None = None
    """Models of which some may fail: with ``combine`` all are asked, and one answer is made of
    those that answer; without it the first that answers is the answer, and no other is asked."""
    combine: ExpressionText | None = None
    """``vote``, ``mean`` or ``max`` of labels and their scores, or an expression over
    ``$answers``, a list of objects with ``model`` and ``answer``."""
    split: Annotated[tuple[SplitModel, ...], Field(min_length=2, max_length=MOST_MODELS)] | None = (
        None
    )
    """Models of which each request is for one, by their weights and its inputs."""
    cascade: Ensemble | None = None
    """Models that are asked in this order, until an answer does."""
    until: ExpressionText | None = None
    """An expression over ``$answer``: whether an answer of the cascade does."""
    map: ExpressionText | None = None
    """An expression that gives a list: the step is done for each item of it."""
    item: StepName | None = None
    """The name by which the step's other expressions read an item; by default ``item``."""
    limit: Annotated[int, Field(ge=1, le=MOST_AT_ONCE)] | None = None
    """Items at once, at most, where they can be; by default 10."""
    when: ExpressionText | None = None
    """An expression; unless it is true, the step is skipped."""
    on_error: OnError | None = None
    cache: CacheSection | None = None
    """Keeps the answers of the step's model; without it, as that model's own ``cache`` says."""
    timeout_seconds: Annotated[float, Field(gt=0, le=LONGEST_STEP_SECONDS)] | None = None
    """A step that takes longer has failed: at most 25 seconds, or a week in a durable pipeline."""

    @model_validator(mode="after")
    def _check_kind(self) -> Self:
        kinds = [key for key in STEP_KINDS if getattr(self, key) is not None]
        if len(kinds) != 1:
            raise ValueError(f"one of {STEP_KINDS_NAMED} expected")
        for key, needed in NEEDED.items():
            if getattr(self, key) is not None and not {*needed} & {*self.model_fields_set}:
                raise ValueError(f"'{key}' is for steps with {' or '.join(map(repr, needed))}")
        if self.all_of is not None and self.combine is None:
            raise ValueError("'all_of' needs 'combine': vote, mean, max or an expression")
        if self.cascade is not None and self.until is None:
            raise ValueError("'cascade' needs 'until': an expression over $answer")
        return self

    def to_json(self) -> dict[str, Any]:
        """Return the step as plain JSON values: what is given, and nothing else."""
        return self.model_dump(mode="json", exclude_unset=True)

    def calls(self) -> Iterator[tuple[str, str, str | None]]:
        """Yield the place in the step, the model and the version of each that is asked."""
        if self.model is not None:
            yield "", self.model, self.version
        models = (self.any_of, self.all_of, self.split, self.cascade)
        for kind, listed in zip(KINDS, models, strict=True):
            for index, each in enumerate(listed or ()):
                yield f".{kind}.{index}", each.model, each.version


class Pipeline(Section):
    """A pipeline: what it takes, its steps, and what it gives."""

    name: Name
    """The name that clients call."""
    description: Annotated[str, Field(max_length=1000)] = ""
    """One line for people."""
    task: Annotated[PipelineTaskSection, BeforeValidator(expand_task)] | None = None
    """The task of which the pipeline is a model, in the place of ``inputs``: its inputs are the
    task's, and its output is what the task answers to one of them."""
    inputs: Annotated[tuple[PipelineInput, ...], Field(min_length=1, max_length=50)] | None = None
    """Tensors of a request."""
    steps: Annotated[tuple[PipelineStep, ...], Field(min_length=1, max_length=MOST_STEPS)]
    """What is done; a step runs once what its expressions read is there."""
    output: ExpressionText | Annotated[dict[TensorName, ExpressionText], Field(min_length=1)]
    """An expression, such as a step's name; or the names of output tensors, and the step's
    output that each is."""
    durable: bool = False
    """Whether its calls are async requests that Step Functions runs, step by step; a pipeline is
    that in any case if a step runs on a fleet, or in a function of its own."""
    rollout: RolloutSection = RolloutSection()
    golden: BundlePath | None = None
    """File of requests with expected answers, one JSON object per line."""
    golden_tolerance: Annotated[float, Field(ge=0)] | None = None
    """As in ``model.yaml``."""
    schedules: Annotated[tuple[Schedule, ...], Field(max_length=100)] = ()
    """Batch jobs that start by the clock, from the next deploy on."""

    @field_validator("inputs")
    @classmethod
    def _check_inputs(
        cls, inputs: tuple[PipelineInput, ...] | None, info: ValidationInfo
    ) -> tuple[PipelineInput, ...] | None:
        if info.data.get("task") is not None and inputs is not None:
            raise ValueError(
                f"'task: {info.data['task'].name}' is given too, whose inputs are the pipeline's"
            )
        return inputs

    @field_validator("output", mode="before")
    @classmethod
    def _check_kind(cls, output: Any) -> Any:
        named = output.values() if isinstance(output, dict) else [output]
        if not named or not all(isinstance(text, str) and text for text in named):
            raise ValueError("an expression expected, or names of tensors with one each")
        return output

    @field_validator("output")
    @classmethod
    def _check_output(cls, output: str | dict[str, str], info: ValidationInfo) -> Any:
        task: PipelineTaskSection | None = info.data.get("task")
        if task is None:
            return output
        if task.name in ANSWERS_IN_FILES:
            if isinstance(output, str) or len(output) != 1:
                raise ValueError("one tensor expected, as '{waveform: step.output}'")
        elif not isinstance(output, str):
            raise ValueError(f"an expression expected, which is what {task.name} answers")
        return output

    @model_validator(mode="after")
    def _check_takes(self) -> Self:
        if self.task is None and self.inputs is None:
            raise ValueError("'inputs' is missing, or 'task' in its place")
        return self

    @model_validator(mode="after")
    def _check_schedule_names(self) -> Self:
        expect_distinct(self.schedules, "schedules")
        return self

    @property
    def artifact(self) -> str:
        """The file that says what is run."""
        return PIPELINE_YAML

    def to_json(self) -> dict[str, Any]:
        """Return ``pipeline.yaml`` as plain JSON values, as the record of a version has it."""
        steps = [step.to_json() for step in self.steps]
        absent = {name for name in ("task", "inputs") if getattr(self, name) is None}
        plain = self.model_dump(mode="json", exclude=absent)
        return {**plain, "steps": steps, "runtime": {"kind": PIPELINE}}


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
