"""One run of a pipeline: tensors go from step to step as they are.

Steps run one after another in the order of the plan: a light graph takes microseconds, less than
another thread takes to begin.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from serval.errors import (
    InferenceFailed,
    InvalidInputs,
    InvalidRequest,
    ServalError,
    ServiceUnavailable,
    Unavailable,
)
from serval.faults import fault_of
from serval.inference.loaded import Loaded
from serval.inference.run import run_version
from serval.models.signature import TensorSpec
from serval.models.tensor import Tensor
from serval.models.version import ModelVersion
from serval.pipelines.calls import CallRefused, StepCall
from serval.pipelines.expressions import Expression, ExpressionWrong, Read
from serval.pipelines.plan import PipelinePlan, PlannedStep
from serval.pipelines.values import ONE, make_tensor, tensor_json
from serval.protocol.request import check_tensor

SECOND = 1e3
"""In milliseconds."""


class StepGoneWrong(Exception):
    """A step failed in a way that no error of a model says."""


STEP_ERRORS = (ServalError, ExpressionWrong, CallRefused, StepGoneWrong)


@dataclass(slots=True)
class Value:
    """What a step gave."""

    tensors: Mapping[str, Tensor] | None = None
    """None: JSON."""
    json: Any = None
    specs: Mapping[str, TensorSpec] = field(default_factory=dict)


@dataclass(slots=True)
class BoundStep:
    """How a step calls a version of its model; it keeps no version in memory."""

    version: str
    call: StepCall
    inputs: tuple[tuple[TensorSpec, dict[str, TensorSpec], Expression, Read | None], ...]
    outputs: tuple[str, ...]


@dataclass(slots=True)
class StepTimes:
    """What the steps of a run took, in the order in which they ran."""

    steps_ms: list[tuple[str, float]] = field(default_factory=list)
    load_ms: float = 0.0
    """To load versions that they call, which is not in ``steps_ms``."""


@dataclass(slots=True)
class PipelineRun:
    """One run: what the steps have given so far."""

    record: ModelVersion
    plan: PipelinePlan
    inputs: Mapping[str, Tensor]
    bind: Callable[[PlannedStep], tuple[Loaded, BoundStep]]
    """Returns the version that a step calls now, and how."""
    times: StepTimes
    clock: Callable[[], float]
    values: dict[str, Value] = field(default_factory=dict)
    """Step → what it gave; a step that was skipped is not there."""
    _views: dict[tuple[str, str], Any] = field(default_factory=dict)

    def do(self, planned: PlannedStep) -> None:
        """Run a step, or what stands in for it."""
        before, loading = self.clock(), self.times.load_ms
        try:
            value = self._answer(planned)
        finally:
            taken = (self.clock() - before) * SECOND - (self.times.load_ms - loading)
            self.times.steps_ms.append((planned.name, taken))
        if value is not None:
            self.values[planned.name] = value

    def _answer(self, planned: PlannedStep) -> Value | None:
        """Return what a step gives; None if it is skipped."""
        step = planned.step
        try:
            return self._attempt(planned)
        except STEP_ERRORS as error:
            if step.has_value:
                return Value(json=step.value)
            if step.fallback is None:
                raise self._failure(planned, error) from error
        return self._answer(self.plan.steps[step.fallback])

    def _attempt(self, planned: PlannedStep) -> Value | None:
        step = planned.step
        if step.when is not None and not self._is_true(planned):
            return None
        before, loading = self.clock(), self.times.load_ms
        if step.rule is not None:
            value = Value(json=self._evaluate(planned, "rule"))
        else:
            value = self._call(*self.bind(planned))
        if step.timeout_seconds is not None:
            taken_ms = (self.clock() - before) * SECOND - (self.times.load_ms - loading)
            if taken_ms > step.timeout_seconds * SECOND:
                allowed = f"at most {step.timeout_seconds:g} s allowed"
                raise StepGoneWrong(f"took {taken_ms:.0f} ms, {allowed}")
        return value

    def _is_true(self, planned: PlannedStep) -> bool:
        found = self._evaluate(planned, "when")
        if not isinstance(found, bool):
            raise StepGoneWrong(f"when: {planned.step.when!r} gives {found!r:.80}, no truth value")
        return found

    def _call(self, loaded: Loaded, bound: BoundStep) -> Value:
        if bound.call.by_task:
            # Imported for a step of a task.
            from serval.pipelines.task_step import answer_task

            given = {s.name: self._word(e, read) for s, _, e, read in bound.inputs}
            return Value(json=answer_task(loaded, given))
        tensors = [self._tensor(*each) for each in bound.inputs]
        outputs = run_version(loaded, tensors, bound.outputs)
        return Value({tensor.name: tensor for tensor in outputs}, specs=loaded.outputs)

    def _tensor(
        self,
        spec: TensorSpec,
        known: dict[str, TensorSpec],
        expression: Expression,
        read: Read | None,
    ) -> Tensor:
        """Return a tensor for an input of a step's model: handed on, or made of JSON."""
        found = self._handed_on(expression)
        if found is None:
            return make_tensor(spec, self._value(expression, read))
        check_tensor(spec.name, found.datatype, found.array.shape, known)
        return Tensor(spec.name, found.datatype, found.array)

    def _word(self, expression: Expression, read: Read | None) -> tuple[Any, bool]:
        """Return what a task is given: a tensor, or JSON; and whether it is a list."""
        found = self._handed_on(expression)
        if found is None:
            value = self._value(expression, read)
            return value, isinstance(value, list)
        return found, self._shape(expression.source or "", expression.part) != ONE

    def _handed_on(self, expression: Expression) -> Tensor | None:
        """Return the tensor that an expression only names, if it does."""
        source, part = expression.source, expression.part
        if source is None:
            return None
        if part is None:
            return self.inputs.get(source)
        value = self.values.get(source)
        return None if value is None or value.tensors is None else value.tensors.get(part)

    def _shape(self, source: str, part: str | None) -> tuple[int, ...]:
        """Return the declared shape of a tensor."""
        if part is not None:
            return self.values[source].specs[part].shape
        specs = self.plan.definition.inputs
        return next(spec.shape for spec in specs if spec.name == source)

    def _evaluate(self, planned: PlannedStep, place: str) -> Any:
        return self._value(planned.expressions[place], planned.reading[place])

    def _value(self, expression: Expression, read: Read | None) -> Any:
        """Evaluate an expression over what it reads."""
        data: dict[str, Any] = {}
        if read is not None:
            for name in read.whole:
                self._add(data, name, None)
            for name, part in read.parts:
                if name not in read.whole:
                    self._add(data, name, part)
        return expression.evaluate(data)

    def _add(self, data: dict[str, Any], name: str, part: str | None) -> None:
        """Add a value to the data of an expression, if it is there."""
        if name in self.inputs:
            data[name] = self._view(name, None, self.inputs[name])
            return
        value = self.values.get(name)
        if value is None:
            return
        if value.tensors is None:
            data[name] = value.json
            return
        found = data.setdefault(name, {})
        for each in value.tensors if part is None else [part]:
            if each in value.tensors:
                found[each] = self._view(name, each, value.tensors[each])

    def _view(self, name: str, part: str | None, tensor: Tensor) -> Any:
        """Return a tensor as JSON, which is made once in a run."""
        key = name, part or ""
        if key not in self._views:
            self._views[key] = tensor_json(tensor, self._shape(name, part))
        return self._views[key]

    def output_json(self) -> Any:
        """Return the answer in JSON."""
        expression = self.plan.outputs["output"]
        source = expression.source
        if source in self.plan.steps and source not in self.values:
            return None
        try:
            return self._value(expression, self.plan.reading["output"])
        except ExpressionWrong as wrong:
            raise self._output_failure(f"output: {wrong}") from wrong

    def output_tensors(self) -> Mapping[str, Tensor]:
        """Return the answer in tensors, by their names."""
        if isinstance(self.plan.definition.output, str):
            name = self.plan.outputs["output"].source or ""
            value = self.values.get(name)
            if value is None or value.tensors is None:
                raise self._output_failure(f"output: step {name!r} was skipped by its 'when'")
            return value.tensors
        found = {}
        for place, expression in self.plan.outputs.items():
            tensor, name = self._handed_on(expression), place.removeprefix("output.")
            if tensor is None:
                raise self._output_failure(f"{place}: {expression.text!r} is not there")
            found[name] = Tensor(name, tensor.datatype, tensor.array)
        return found

    def _output_failure(self, problem: str) -> InferenceFailed:
        record = self.record
        return InferenceFailed(record.model, record.version, problem)

    def _failure(self, planned: PlannedStep, error: Exception) -> ServalError:
        """Write the error of a step: the caller's, the stage's, or else the pipeline's own."""
        record, problem = self.record, f"step {planned.name!r}: {error}"
        named = f"pipeline {record.model!r} version {record.version!r}: {problem}"
        if isinstance(error, InvalidRequest) and planned.reads <= self.inputs.keys():
            return InvalidInputs(named)
        if isinstance(error, Unavailable) and fault_of(error) == "stage":
            return ServiceUnavailable(named)
        return InferenceFailed(record.model, record.version, problem)
