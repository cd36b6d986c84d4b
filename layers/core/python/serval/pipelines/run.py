"""One run of a pipeline: tensors go from step to step as they are.

Steps run one after another in the order of the plan: a light graph takes microseconds, less than
another thread takes to begin. What a step means is decision 38's, which other engines keep to.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

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
from serval.models.tensor import Tensor
from serval.models.version import PIPELINE, ModelVersion
from serval.pipelines.calls import CallRefused, StepCall
from serval.pipelines.ensembles import draw_number
from serval.pipelines.expressions import ExpressionWrong
from serval.pipelines.planned_step import PlannedStep
from serval.pipelines.postponed import PostponedItems
from serval.pipelines.run_values import GivenInput, RunValues, Value
from serval.pipelines.step_times import StepTimes
from serval.short_repr import short_repr

SECOND = 1e3
"""In milliseconds."""
MOST_ITEMS = 1000
"""Of a map."""


class StepGoneWrong(Exception):
    """A step failed for a reason of its own, not for an error of its model."""


class WithinStep(Exception):
    """A part or an item of a step failed, which ``where`` names."""

    def __init__(self, where: str, error: Exception) -> None:
        super().__init__(f"{where}: {error}")
        self.error = _cause_of(error)


STEP_ERRORS = (ServalError, ExpressionWrong, CallRefused, StepGoneWrong, WithinStep)


@dataclass(slots=True)
class BoundStep:
    """How a step calls a version of its model; it keeps no version in memory."""

    version: str
    call: StepCall
    inputs: tuple[GivenInput, ...]
    outputs: tuple[str, ...]


class NestedPipeline(Protocol):
    """A pipeline that a step asks."""

    times: StepTimes

    def answer(self, inputs: Sequence[Tensor]) -> Any:
        """Return its answer in JSON."""


@dataclass(slots=True)
class PipelineRun:
    """One run: what the steps have given so far."""

    record: ModelVersion
    given: RunValues
    bind: Callable[[PlannedStep], tuple[Loaded, BoundStep]]
    """Returns the version that a step calls now, and how."""
    times: StepTimes
    clock: Callable[[], float]

    def do(self, planned: PlannedStep) -> None:
        """Run a step, or what stands in for it."""
        before, loading = self.clock(), self.times.load_ms
        try:
            value = self._answer(planned)
        finally:
            self.times.note(planned.name, self._taken_ms(before, loading))
        if value is not None:
            self.given.values[planned.name] = value

    def _taken_ms(self, before: float, loading: float) -> float:
        return (self.clock() - before) * SECOND - (self.times.load_ms - loading)

    def _answer(self, planned: PlannedStep) -> Value | None:
        """Return what a step gives; None if it is skipped."""
        step = planned.step
        try:
            return self._attempt(planned)
        except STEP_ERRORS as error:
            if not self.is_of_caller(planned, error):
                self.times.note_failure(planned.name)
            if step.has_value:
                return Value(json=step.value)
            if step.fallback is None:
                raise self.failure(planned, error) from error
        return self._answer(self.given.plan.steps[step.fallback])

    def _attempt(self, planned: PlannedStep) -> Value | None:
        step = planned.step
        if step.when is not None and not self._is_true(planned):
            return None
        if step.each is None and step.timeout_seconds is None:
            return self._once(planned)
        before, loading = self.clock(), self.times.load_ms
        value = self._each(planned, before, loading) if step.each else self._once(planned)
        self._check_time(planned, before, loading)
        return value

    def _check_time(self, planned: PlannedStep, before: float, loading: float) -> None:
        allowed = planned.step.timeout_seconds
        if allowed is not None and (taken_ms := self._taken_ms(before, loading)) > allowed * SECOND:
            raise StepGoneWrong(f"took {taken_ms:.0f} ms, at most {allowed:g} s allowed")

    def _is_true(self, planned: PlannedStep) -> bool:
        found = self.given.evaluate_at(planned, "when")
        if not isinstance(found, bool):
            where, text = planned.step.cite("when")
            raise StepGoneWrong(f"{where}: {text!r} gives {short_repr(found)}, no truth value")
        return found

    def _each(self, planned: PlannedStep, before: float, loading: float) -> Value:
        """Run a step for each item of its list; return the list of answers."""
        items, name = self.given.evaluate_at(planned, "map"), planned.item or ""
        if len(items) > MOST_ITEMS:
            raise StepGoneWrong(f"map: {len(items)} items given, at most {MOST_ITEMS} allowed")
        wanted, answers = self.given.plan.wanted[planned.name], []
        local = {name, *(part.name for part in planned.parts)}
        postponed = PostponedItems(planned.step.each)
        try:
            for index, item in enumerate(items):
                self.given.values[name] = Value(json=item)
                try:
                    with postponed:
                        answers.append(self._once(planned).as_json(wanted))
                except STEP_ERRORS as error:
                    raise WithinStep(f"item {index}", error) from error
                self.given.forget(local)
                self._check_time(planned, before, loading)
        finally:
            self.given.forget(local)
        postponed.check()
        return Value(json=answers)

    def _once(self, planned: PlannedStep) -> Value:
        """Evaluate a step's rule, ask its model, or run its parts."""
        if planned.step.model is not None:
            return self._call(*self.bind(planned))
        if planned.parts:
            return self._parts(planned)
        return Value(json=self.given.evaluate_at(planned, "rule"))

    def _parts(self, planned: PlannedStep) -> Value:
        """Run the parts of a step; return the answer of the first that gives one."""
        failed, values = dict[str, Exception](), self.given.values
        for part in planned.parts:
            if self._is_left_out(planned, part):
                continue
            before, loading = self.clock(), self.times.load_ms
            try:
                value = self._attempt(part)
            except STEP_ERRORS as error:
                if not part.step.skips_failure:
                    raise _failure_of(part, error, failed) from error
                failed[_name_of(part)] = error
                if not self.is_of_caller(planned, error):
                    self.times.note_failure(planned.name)
                continue
            finally:
                self.times.note(part.name, self._taken_ms(before, loading))
            if value is not None:
                values[part.name] = value
        found = next((values[name] for name in planned.step.gives if name in values), None)
        if found is None:
            raise _failure_of(planned, StepGoneWrong("none of its models answered"), failed)
        return found

    def _is_left_out(self, planned: PlannedStep, part: PlannedStep) -> bool:
        """Return whether a part need not run: it is not for this request, or not needed."""
        step, draw = part.step, part.step.draw
        if step.unless is not None and step.unless in self.given.values:
            return True
        if draw is None:
            return False
        inputs = [self.given.inputs[spec.name] for spec in self.given.plan.definition.inputs]
        number = draw_number(self.record.model, planned.name, draw.total, inputs)
        return not draw.first <= number < draw.end

    def _call(self, loaded: Loaded, bound: BoundStep) -> Value:
        if bound.call.by_task:
            # Imported for a step of a task.
            from serval.pipelines.kinds.task_step import answer_task

            given = {s.name: self.given.word(e, read) for s, _, e, read in bound.inputs}
            return Value(json=answer_task(loaded, given, self.times))
        if loaded.record.takes_bodies:
            from serval.pipelines.kinds.handler_step import ask_handler

            in_json = bound.call.in_body
            return Value(json=ask_handler(loaded, self.given, bound.inputs, in_json=in_json))
        tensors = [self.given.tensor(*each) for each in bound.inputs]
        if loaded.record.runtime == PIPELINE:
            return self._ask_pipeline(loaded, tensors, bound)
        outputs = run_version(loaded, tensors, bound.outputs)
        return Value({tensor.name: tensor for tensor in outputs}, specs=loaded.outputs)

    def _ask_pipeline(self, loaded: Loaded, tensors: Sequence[Tensor], bound: BoundStep) -> Value:
        """Run a step that is a pipeline itself."""
        pipeline = cast(NestedPipeline, loaded.model)
        try:
            if bound.call.gives_json:
                return Value(json=pipeline.answer(tensors))
            outputs = run_version(loaded, tensors, bound.outputs)
        finally:
            self.times.add_nested(pipeline.times)
        return Value({tensor.name: tensor for tensor in outputs}, specs=loaded.outputs)

    def output_json(self) -> Any:
        """Return the answer in JSON."""
        try:
            return self.given.evaluate_output()
        except ExpressionWrong as wrong:
            raise self._output_failure(f"output: {wrong}") from wrong

    def output_tensors(self) -> Mapping[str, Tensor]:
        """Return the answer in tensors, by their names."""
        plan = self.given.plan
        if isinstance(plan.definition.output, str):
            name = plan.outputs["output"].source or ""
            value = self.given.values.get(name)
            if value is None or value.tensors is None:
                raise self._output_failure(f"output: step {name!r} was skipped by its 'when'")
            return value.tensors
        found = {}
        for place, expression in plan.outputs.items():
            tensor, name = self.given.handed_on(expression), place.removeprefix("output.")
            if tensor is None:
                raise self._output_failure(f"{place}: {expression.text!r} is not there")
            found[name] = (
                tensor if tensor.name == name else Tensor(name, tensor.datatype, tensor.array)
            )
        return found

    def _output_failure(self, problem: str) -> InferenceFailed:
        return InferenceFailed(self.record.model, self.record.version, problem)

    def failure(self, planned: PlannedStep, error: Exception) -> ServalError:
        """Write the error of a step: the caller's, the stage's, or else the pipeline's own."""
        record, problem = self.record, f"step {planned.name!r}: {error}"
        named = f"pipeline {record.model!r} version {record.version!r}: {problem}"
        if self.is_of_caller(planned, error):
            return InvalidInputs(named)
        if _is_of_stage(_cause_of(error)):
            return ServiceUnavailable(named)
        return InferenceFailed(record.model, record.version, problem)

    def is_of_caller(self, planned: PlannedStep, error: Exception) -> bool:
        """Return whether a step's error is the caller's: it reads the caller's inputs only."""
        refused = isinstance(_cause_of(error), InvalidRequest)
        return refused and planned.reads <= self.given.inputs.keys()


def _cause_of(error: Exception) -> Exception:
    return error.error if isinstance(error, WithinStep) else error


def _name_of(part: PlannedStep) -> str:
    """Name a part in a message."""
    return f"model {part.step.model!r}" if part.step.model else part.step.cite("rule")[0]


def _failure_of(part: PlannedStep, error: Exception, failed: Mapping[str, Exception]) -> Exception:
    """Return the error of a part, with the errors of parts left out before it."""
    if not failed:
        return WithinStep(_name_of(part), error) if part.step.model else error
    causes = "; ".join(f"{named}: {cause}" for named, cause in failed.items())
    culprit: Exception = StepGoneWrong(causes)
    if all(isinstance(cause, InvalidRequest) for cause in failed.values()):
        culprit = InvalidInputs(causes)
    elif any(_is_of_stage(cause) for cause in failed.values()):
        culprit = ServiceUnavailable(causes)
    return WithinStep(str(error), culprit)


def _is_of_stage(error: Exception) -> bool:
    return isinstance(error, Unavailable) and fault_of(error) == "stage"
