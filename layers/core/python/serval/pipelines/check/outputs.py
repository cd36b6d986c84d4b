"""Check the output of a pipeline against what its steps give."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from serval.models.signature import TensorSpec
from serval.models.task_signature import ANSWERS
from serval.models.version import ANSWER_SPEC
from serval.pipelines.check.step_gives import StepGives, find_tensor
from serval.pipelines.definition import PIPELINE_YAML
from serval.pipelines.expressions import Expression
from serval.pipelines.plan import PipelinePlan
from serval.pipelines.shapes import Shape
from serval.pipelines.tasks.answers import missing_field


@dataclass(frozen=True, slots=True)
class OutputCheck:
    """Checks the output of a plan, and collects mistakes."""

    plan: PipelinePlan
    given: Mapping[str, StepGives]
    inputs: Mapping[str, TensorSpec]
    reasons: list[str]

    def specs(self, shapes: Mapping[str, Shape]) -> tuple[TensorSpec, ...]:
        """Check the output; return its tensors, or the one tensor that holds the JSON."""
        wrong = {
            where
            for where, expression in self.plan.outputs.items()
            if self._check_reads(where, expression, shapes)
        }
        if isinstance(self.plan.definition.output, str):
            whole = self.plan.outputs["output"]
            given = self.given.get(whole.source or "")
            if whole.part is not None or given is None or given.tensors is None:
                return (ANSWER_SPEC,)
            found = {f"output.{name}": spec for name, spec in given.tensors.items()}
        else:
            found = {}
            for where, expression in self.plan.outputs.items():
                spec = find_tensor(expression, self.inputs, self.given)
                if spec is not None:
                    found[where] = spec
                elif where not in wrong and self._is_known(expression):
                    self.reasons.append(
                        f"{PIPELINE_YAML}: {where}: {expression.text!r} is no tensor: the output "
                        "of a step expected, as 'step.output'"
                    )
        return tuple(self._name(where, spec) for where, spec in found.items())

    def check_sound(self, specs: Sequence[TensorSpec]) -> None:
        """Check the waveform of speech."""
        for spec in specs:
            where = f"{PIPELINE_YAML}: output.{spec.name}"
            if spec.name == ANSWERS:
                self.reasons.append(f"{where}: the name is that of the file: give it another")
            if not spec.datatype.startswith("FP"):
                self.reasons.append(f"{where}: {spec.datatype} given, a floating-point expected")

    def _check_reads(
        self, where: str, expression: Expression, shapes: Mapping[str, Shape]
    ) -> Sequence[str]:
        """Check what an expression reads; return its mistakes."""
        read = expression.reads(shapes)
        mistakes = read.mistakes or self._answer_mistakes(read.shape)
        for mistake in mistakes:
            self.reasons.append(f"{PIPELINE_YAML}: {where}: {expression.shown!r}: {mistake}")
        return mistakes

    def _is_known(self, expression: Expression) -> bool:
        given = self.given.get(expression.source or "")
        return given is None or given.known

    def _answer_mistakes(self, shape: Shape) -> Sequence[str]:
        """List why the output cannot be what the task answers."""
        definition = self.plan.definition
        if definition.task is None:
            return ()
        whole = self.plan.outputs.get("output")
        given = self.given.get((whole and whole.source) or "")
        if given is not None and given.tensors is not None:
            return (f"gives tensors, and {definition.task} answers in JSON",)
        missing = missing_field(definition.task, shape)
        return () if missing is None else (f"has no {missing!r}, which {definition.task} answers",)

    def _name(self, where: str, spec: TensorSpec) -> TensorSpec:
        name = where.removeprefix("output.")
        if name == ANSWER_SPEC.name:
            self.reasons.append(
                f"{PIPELINE_YAML}: output: the name {name!r} is that of answers in JSON: give "
                "the tensor another, as 'output: {scores: step.output}'"
            )
        return TensorSpec(name, spec.datatype, spec.shape)
