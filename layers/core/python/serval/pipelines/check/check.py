"""Check a pipeline against the versions that its steps call, before it becomes a version."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from serval.models.signature import Signature, TensorSpec
from serval.models.task_signature import (
    ANSWERS_IN_FILES,
    NAMES,
    PARAMETERS,
    task_signature,
)
from serval.models.version import ModelVersion
from serval.pipelines.calls import CallRefused, StepCall, find_call
from serval.pipelines.check.outputs import OutputCheck
from serval.pipelines.check.step_gives import StepGives, find_tensor
from serval.pipelines.definition import place_of
from serval.pipelines.plan import OF_THE_WHOLE, PipelinePlan
from serval.pipelines.planned_step import PlannedStep
from serval.pipelines.shapes import ANSWERS as ANSWER_SHAPES
from serval.pipelines.shapes import ANY, SCALAR, Shape, merge
from serval.pipelines.tasks.writer_model import model_reasons
from serval.tasks.parameter_rules import known_parameters


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
        outputs = OutputCheck(self.plan, self._given, self._inputs, self.reasons)
        specs = outputs.specs(self._shapes())
        if (writer := self.plan.writer) is not None and writer.name in self.records:
            self.reasons += model_reasons(writer, self.records[writer.name], self._shapes())
        if definition.task is None:
            return Signature(definition.inputs, specs)
        if definition.task not in ANSWERS_IN_FILES:
            return task_signature(definition.task)
        outputs.check_sound(specs)
        return Signature(definition.inputs[:1], specs, definition.inputs[1:])

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
            return StepGives(known=False)
        try:
            call = find_call(planned, record, self._inputs)
        except CallRefused as refused:
            self.reasons.append(f"{place}: {refused}")
            return StepGives(known=False)
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
            return replace(given, shape=merge(given.shape, shape_of(step.value)))
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
        if not (given.known and other.known):
            return other if other.known else given
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
            spec = find_tensor(expression, self._inputs, self._given)
            if spec is not None and word in NAMES.values() and spec.datatype != "BYTES":
                self.reasons.append(
                    f"{place}.input.{word}: {expression.text!r} has datatype {spec.datatype}, "
                    "BYTES expected"
                )

    def _check_tensors(self, call: StepCall, record: ModelVersion, place: str) -> None:
        """Check the tensors passed on; those made by an expression are checked when it runs."""
        known = {s.name: s for s in (*record.signature.inputs, *record.signature.optional)}
        for name, expression in call.inputs.items():
            spec, wanted = find_tensor(expression, self._inputs, self._given), known[name]
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
