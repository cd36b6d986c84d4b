"""The definition of a pipeline, as the record of its version has it: plain values, no pydantic."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from serval.models.signature import TensorSpec
from serval.models.task_signature import MESSAGES, PARAMETERS, TEXT_GENERATION
from serval.pipelines.ensembles import cache_seconds, make_parts
from serval.pipelines.shapes import SCALAR, Shape
from serval.pipelines.steps import MapDefinition, StepDefinition
from serval.pipelines.tasks.inputs import input_shapes, task_inputs

PIPELINE_YAML = "pipeline.yaml"
STEP_NAME = re.compile(r"(?!(?:and|or|in|true|false|null|function)\Z)[A-Za-z_][A-Za-z0-9_]{0,62}")
STEP_NAME_EXPECTED = (
    "1 to 63 letters, digits or '_', the first no digit, and not 'and', 'or', 'in', 'true', "
    "'false', 'null' or 'function', which are words of the expressions"
)
MOST_STEPS = 50
"""Of a pipeline; each model of an ensemble counts as one, too."""
ITEM, ITEMS_AT_ONCE = "item", 10
"""What a map calls an item, and how many it does at once, unless it says so."""


@dataclass(frozen=True, slots=True)
class PipelineDefinition:
    """What a pipeline takes, does and gives."""

    inputs: tuple[TensorSpec, ...]
    steps: tuple[StepDefinition, ...]
    output: str | Mapping[str, str]
    """An expression, or the names of output tensors → where each comes from."""
    task: str | None = None
    """The task that it stands for, whose inputs are its own; None: it declares its inputs."""

    @classmethod
    def from_json(cls, bundle: Mapping[str, Any]) -> "PipelineDefinition":
        """Read ``pipeline.yaml`` as the record of a version has it."""
        section: Mapping[str, Any] = bundle.get("task") or {}
        task = section.get("name")
        inputs = () if task else (TensorSpec.from_json(each) for each in bundle["inputs"])
        return cls(
            task_inputs(task) if task else tuple(inputs),
            tuple(_read_step(each, index) for index, each in enumerate(bundle["steps"])),
            bundle["output"],
            task,
        )

    def input_shapes(self) -> Mapping[str, Shape]:
        """Return what is known of each input's shape before a run."""
        if self.task is not None:
            return input_shapes(self.task)
        return dict.fromkeys((spec.name for spec in self.inputs), SCALAR)

    def says(self, name: str) -> bool:
        """Return whether an input is what a call of the task has beside its main input."""
        return self.task is not None and name in (PARAMETERS, MESSAGES)

    @property
    def writer(self) -> str | None:
        """The name of the step that writes the answer; None unless the task is text-generation."""
        writes = self.task == TEXT_GENERATION and isinstance(self.output, str)
        return str(self.output).strip() if writes else None

    def outputs(self) -> Sequence[tuple[str, str]]:
        """List the expressions of the output, each after its place."""
        if isinstance(self.output, str):
            return [("output", self.output)]
        return [(f"output.{name}", text) for name, text in self.output.items()]

    def all_steps(self) -> Iterator[StepDefinition]:
        """Yield every step, each before its parts."""
        for step in self.steps:
            yield from step.all_steps()

    def calls(self) -> Iterator[StepDefinition]:
        """Yield every step and part that asks a model."""
        return (step for step in self.all_steps() if step.model is not None)


def place_of(step: StepDefinition) -> str:
    """Return the place of a step in the file, as messages name it."""
    return f"{PIPELINE_YAML}: {step.place}"


def _read_step(value: Mapping[str, Any], index: int) -> StepDefinition:
    on_error = value.get("on_error") or {}
    name, place = value["name"], f"steps.{index}"
    parts, gives = make_parts(value, name, place)
    each = value.get("map")
    return StepDefinition(
        name=name,
        place=place,
        model=value.get("model"),
        version=value.get("version"),
        input=None if parts else value.get("input"),
        rule=value.get("rule"),
        parts=parts,
        gives=gives,
        each=None if each is None else _read_map(value),
        when=value.get("when"),
        fallback=on_error.get("step"),
        has_value="value" in on_error,
        value=on_error.get("value"),
        timeout_seconds=value.get("timeout_seconds"),
        cache_seconds=cache_seconds(value),
        written={} if each is None else {"map": ("map", each)},
    )


def _read_map(value: Mapping[str, Any]) -> MapDefinition:
    items = value["map"]
    item, limit = value.get("item", ITEM), value.get("limit", ITEMS_AT_ONCE)
    # Parentheses: a list in brackets would be an item of the list otherwise.
    return MapDefinition(f"[({items}\n)]", item, limit)
