"""The definition of a pipeline, as the record of its version has it: plain values, no pydantic."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from serval.models.signature import TensorSpec

PIPELINE_YAML = "pipeline.yaml"
STEP_NAME = re.compile(r"(?!(?:and|or|in|true|false|null|function)\Z)[A-Za-z_][A-Za-z0-9_]{0,62}")
STEP_NAME_EXPECTED = (
    "1 to 63 letters, digits or '_', the first no digit, and not 'and', 'or', 'in', 'true', "
    "'false', 'null' or 'function', which are words of the expressions"
)
MOST_STEPS = 50


@dataclass(frozen=True, slots=True)
class StepDefinition:
    """One step: a model that is asked, or a rule."""

    name: str
    model: str | None = None
    version: str | None = None
    """The version that is asked; None: the model's stable one."""
    input: Mapping[str, str] | None = None
    """Input of the model, or word of its task → expression; None: inputs of the same names."""
    rule: str | None = None
    when: str | None = None
    """The step is skipped unless this is true."""
    fallback: str | None = None
    """The step that answers if this one fails."""
    has_value: bool = False
    value: Any = None
    """What stands for the answer if the step fails."""
    timeout_seconds: float | None = None

    def expressions(self) -> Sequence[tuple[str, str]]:
        """List the expressions, each after its place in the step."""
        inputs = [(f"input.{name}", text) for name, text in (self.input or {}).items()]
        others = (("rule", self.rule), ("when", self.when))
        return [*inputs, *((place, text) for place, text in others if text is not None)]


@dataclass(frozen=True, slots=True)
class PipelineDefinition:
    """What a pipeline takes, does and gives."""

    inputs: tuple[TensorSpec, ...]
    steps: tuple[StepDefinition, ...]
    output: str | Mapping[str, str]
    """An expression, or the names of output tensors → where each comes from."""

    @classmethod
    def from_json(cls, bundle: Mapping[str, Any]) -> "PipelineDefinition":
        """Read ``pipeline.yaml`` as the record of a version has it."""
        return cls(
            tuple(TensorSpec.from_json(each) for each in bundle["inputs"]),
            tuple(_read_step(each) for each in bundle["steps"]),
            bundle["output"],
        )

    def outputs(self) -> Sequence[tuple[str, str]]:
        """List the expressions of the output, each after its place."""
        if isinstance(self.output, str):
            return [("output", self.output)]
        return [(f"output.{name}", text) for name, text in self.output.items()]

    def place(self, step: str) -> str:
        """Return the place of a step in the file."""
        index = next(n for n, each in enumerate(self.steps) if each.name == step)
        return f"{PIPELINE_YAML}: steps.{index}"


def _read_step(value: Mapping[str, Any]) -> StepDefinition:
    on_error = value.get("on_error") or {}
    return StepDefinition(
        name=value["name"],
        model=value.get("model"),
        version=value.get("version"),
        input=value.get("input"),
        rule=value.get("rule"),
        when=value.get("when"),
        fallback=on_error.get("step"),
        has_value="value" in on_error,
        value=on_error.get("value"),
        timeout_seconds=value.get("timeout_seconds"),
    )
