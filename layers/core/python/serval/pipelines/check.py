"""Check a pipeline against the versions that its steps call, before it becomes a version."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from serval.models.signature import Signature, TensorSpec
from serval.models.task_signature import (
    ANSWERS,
    ANSWERS_IN_FILES,
    NAMES,
    PARAMETERS,
    task_signature,
)
from serval.models.version import ANSWER_SPEC, ModelVersion
from serval.pipelines.calls import CallRefused, StepCall, find_call
from serval.pipelines.definition import PIPELINE_YAML, place_of
from serval.pipelines.expressions import Expression
from serval.pipelines.plan import OF_THE_WHOLE, PipelinePlan
from serval.pipelines.planned_step import PlannedStep
from serval.pipelines.shapes import ANSWERS as ANSWER_SHAPES
from serval.pipelines.shapes import ANY, SCALAR, Shape, merge
from serval.pipelines.tasks.answers import missing_field
from serval.pipelines.tasks.writer_model import model_reasons
from serval.tasks.parameter_rules import known_parameters


@dataclass(frozen=True, slots=True)
class StepGives:
    """What is known of a step's answer before the step runs."""

    shape: Shape = ANY
    tensors: Mapping[str, TensorSpec] | None = None
    """Name → output; None: JSON."""


@dataclass(slots=True)
class PipelineCheck:
    """Goes through the steps of a plan in order, and collects mistakes."""

    plan: PipelinePlan
    records: Mapping[str, ModelVersion]
    """Step → the version that it calls now."""
    reasons: list[str] = field(default_factory=list)
    _given: dict[str, StepGives] = field(default_factory=dict)

    def signature(self) -> Signature:
        """Check everything; return the signature of the pipeline."""
        definition = self.plan.definition
        for name in self.plan.order:
            self._given[name] = self._step(self.plan.steps[name])
        outputs = self._outputs()
        if (writer := self.plan.writer) is not None and writer.name in self.records:
            self.reasons += model_reasons(writer, self.records[writer.name], self._shapes())
        if definition.task is None:
            return Signature(definition.inputs, outputs)
        if definition.task not in ANSWERS_IN_FILES:
            return task_signature(definition.task)
        self._check_sound(outputs)
        return Signature(definition.inputs[:1], outputs, definition.inputs[1:])

    def _check_sound(self, outputs: Sequence[TensorSpec]) -> None:
        """Check the waveform of speech."""
        for spec in outputs:
            where = f"{PIPELINE_YAML}: output.{spec.name}"
            if spec.name == ANSWERS:
                self.reasons.append(f"{where}: the name is that of the file: give it another")
            if not spec.datatype.startswith("FP"):
                self.reasons.append(f"{where}: {spec.datatype} given, a floating-point expected")

    @property
    def _inputs(self) -> Mapping[str, TensorSpec]:
        return {spec.name: spec for spec in self.plan.definition.inputs}

    def _shapes(self) -> dict[str, Shape]:
        shapes = dict(self.plan.definition.input_shapes())
        if (task := self.plan.definition.task) is not None:
            shapes[PARAMETERS] = dict.fromkeys(known_parameters(task), ANY)
        shapes |= dict.fromkeys((n for n in self.plan.order), ANY)
        return shapes | {name: given.shape for name, given in self._given.items()}

    def _step(self, planned: PlannedStep) -> StepGives:
        place = place_of(planned.step)
        shapes = {where: self._read(planned, where, place) for where in OF_THE_WHOLE}
        if planned.item:
            self._given[planned.item] = StepGives(shapes["map"])
        shapes |= {where: self._read(planned, where, place) for where in planned.expressions}
        if planned.parts:
            given = self._parts(planned, place)
        elif planned.step.model is None:
            given = StepGives(shapes["rule"])
        else:
            given = self._call(planned, place)
        if planned.item:
            del self._given[planned.item]
            given = StepGives(given.shape)
        return self._with_stand_in(planned, given, place)

    def _read(self, planned: PlannedStep, where: str, place: str) -> Shape:
        """Check what an expression reads, if the step has one; return the shape of its value."""
        expression = planned.expressions.get(where)
        if expression is None:
            return ANY
        read = expression.reads(self._shapes())
        where, text = planned.step.cite(where)
        for mistake in read.mistakes:
            said = f"{place}.{where}: {text!r}: {mistake}"
            if said not in self.reasons:
                self.reasons.append(said)
        return read.shape

    def _parts(self, planned: PlannedStep, place: str) -> StepGives:
        """Check the parts of a step; return what the parts that answer for it give."""
        for part in planned.parts:
            self._given[part.name] = self._step(part)
        answers = [part for part in planned.parts if part.name in planned.step.gives]
        given = self._given[answers[0].name]
        for part in answers[1:]:
            names = f"model {answers[0].step.model!r}", f"{part.step.model!r}"
            given = self._either(planned, given, self._given[part.name], names, place_of(part.step))
        for part in planned.parts:
            del self._given[part.name]
        return given

    def _call(self, planned: PlannedStep, place: str) -> StepGives:
        record = self.records.get(planned.name)
        if record is None:
            return StepGives()
        try:
            call = find_call(planned, record, self._inputs)
        except CallRefused as refused:
            self.reasons.append(f"{place}: {refused}")
            return StepGives()
        if call.by_task:
            self._check_words(call, place)
            return StepGives(ANSWER_SHAPES.get(record.task or "", ANY))
        if not call.in_body:
            self._check_tensors(call, record, place)
        if call.gives_json:
            return StepGives()
        outputs = {spec.name: spec for spec in record.signature.outputs}
        return StepGives(dict.fromkeys(outputs, SCALAR), outputs)

    def _with_stand_in(self, planned: PlannedStep, given: StepGives, place: str) -> StepGives:
        """Check what stands in for a step that fails; return what either gives."""
        step = planned.step
        if step.has_value:
            if given.tensors is not None:
                self.reasons.append(
                    f"{place}.on_error.value: step {step.name!r} gives tensors, for which another "
                    "step may stand in ('on_error: {step: …}'), and no value"
                )
            return StepGives(merge(given.shape, shape_of(step.value)), given.tensors)
        if step.fallback is None:
            return given
        other = self._step(self.plan.steps[step.fallback])
        names = f"step {step.name!r}", f"{step.fallback!r}"
        return self._either(planned, given, other, names, f"{place}.on_error.step")

    def _either(
        self,
        planned: PlannedStep,
        given: StepGives,
        other: StepGives,
        names: tuple[str, str],
        where: str,
    ) -> StepGives:
        """Check that either of two may give a step's answer; return what they give."""
        if (given.tensors is None) != (other.tensors is None):
            kinds = ("tensors", "JSON") if given.tensors is not None else ("JSON", "tensors")
            self.reasons.append(
                f"{where}: {names[0]} gives {kinds[0]}, {names[1]} gives {kinds[1]}"
            )
            return given
        for name, spec in (given.tensors or {}).items():
            wanted = self.plan.wanted[planned.name]
            if wanted is None or name in wanted:
                self._check_same(spec, (other.tensors or {}).get(name), names[1], where)
        return StepGives(merge(given.shape, other.shape), given.tensors)

    def _check_same(
        self, spec: TensorSpec, other: TensorSpec | None, named: str, where: str
    ) -> None:
        if other is None or other.datatype != spec.datatype:
            has = f"has datatype {other.datatype}" if other else "is not there"
            kind = "step" if where.endswith("on_error.step") else "model"
            self.reasons.append(
                f"{where}: output {spec.name!r} of {kind} {named} {has}, {spec.datatype} expected"
            )

    def _check_words(self, call: StepCall, place: str) -> None:
        for word, expression in call.inputs.items():
            spec = self._handed_on(expression)
            if spec is not None and word in NAMES.values() and spec.datatype != "BYTES":
                self.reasons.append(
                    f"{place}.input.{word}: {expression.text!r} has datatype {spec.datatype}, "
                    "BYTES expected"
                )

    def _check_tensors(self, call: StepCall, record: ModelVersion, place: str) -> None:
        """Check the tensors passed on; those made by an expression are checked when it runs."""
        known = {s.name: s for s in (*record.signature.inputs, *record.signature.optional)}
        for name, expression in call.inputs.items():
            spec, wanted = self._handed_on(expression), known[name]
            where = f"{place}.input.{name}: {expression.text!r}"
            if spec is None and expression.source in self._given and expression.part is None:
                if self._given[expression.source].tensors is not None:
                    outputs = ", ".join(self._given[expression.source].tensors or ())
                    self.reasons.append(f"{where} is all of a step: one of its outputs, {outputs}")
            elif spec is not None and spec.datatype != wanted.datatype:
                self.reasons.append(
                    f"{where} has datatype {spec.datatype}, {wanted.datatype} expected"
                )
            elif spec is not None and not fits(spec.shape, wanted.shape):
                self.reasons.append(
                    f"{where} has shape {list(spec.shape)}, {list(wanted.shape)} expected "
                    "(-1: any extent)"
                )

    def _handed_on(self, expression: Expression) -> TensorSpec | None:
        """Return the tensor that an expression names; None if it does more than name one."""
        if expression.source is None:
            return None
        if expression.part is None:
            return self._inputs.get(expression.source)
        given = self._given.get(expression.source)
        return ((given and given.tensors) or {}).get(expression.part)

    def _outputs(self) -> tuple[TensorSpec, ...]:
        """Check the output; return its tensors, or the one tensor that holds the JSON."""
        shapes = self._shapes()
        for where, expression in self.plan.outputs.items():
            read = expression.reads(shapes)
            mistakes = read.mistakes or self._answer_mistakes(read.shape)
            for mistake in mistakes:
                self.reasons.append(f"{PIPELINE_YAML}: {where}: {expression.shown!r}: {mistake}")
        if isinstance(self.plan.definition.output, str):
            whole = self.plan.outputs["output"]
            given = self._given.get(whole.source or "")
            if whole.part is None and given is not None and given.tensors is not None:
                found = {f"output.{name}": spec for name, spec in given.tensors.items()}
            else:
                return (ANSWER_SPEC,)
        else:
            found = {}
            for where, expression in self.plan.outputs.items():
                spec = self._handed_on(expression)
                if spec is None:
                    self.reasons.append(
                        f"{PIPELINE_YAML}: {where}: {expression.text!r} is no tensor: the output "
                        "of a step expected, as 'step.output'"
                    )
                else:
                    found[where] = spec
        return tuple(self._name_output(where, spec) for where, spec in found.items())

    def _answer_mistakes(self, shape: Shape) -> Sequence[str]:
        """List why the output cannot be what the task answers."""
        definition = self.plan.definition
        if definition.task is None:
            return ()
        whole = self.plan.outputs.get("output")
        given = self._given.get((whole and whole.source) or "")
        if given is not None and given.tensors is not None:
            return (f"gives tensors, and {definition.task} answers in JSON",)
        missing = missing_field(definition.task, shape)
        return () if missing is None else (f"has no {missing!r}, which {definition.task} answers",)

    def _name_output(self, where: str, spec: TensorSpec) -> TensorSpec:
        name = where.removeprefix("output.")
        if name == ANSWER_SPEC.name:
            self.reasons.append(
                f"{PIPELINE_YAML}: output: the name {name!r} is that of answers in JSON: give "
                "the tensor another, as 'output: {scores: step.output}'"
            )
        return TensorSpec(name, spec.datatype, spec.shape)


def shape_of(value: Any) -> Shape:
    """Return the shape of a JSON value."""
    if isinstance(value, dict):
        return {name: shape_of(each) for name, each in value.items()}
    if not isinstance(value, list):
        return SCALAR
    shape = shape_of(value[0]) if value else ANY
    for other in value[1:]:
        shape = merge(shape, shape_of(other))
    return shape


def fits(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Return whether a tensor of one shape may have another; -1 stands for any extent."""
    return len(shape) == len(wanted) and all(
        -1 in (own, other) or own == other for own, other in zip(shape, wanted, strict=True)
    )
