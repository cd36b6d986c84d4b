"""The values that the steps of a run have given, in the form that the next step takes."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from serval.models.signature import TensorSpec
from serval.models.tensor import Tensor
from serval.pipelines.expressions import Expression, ExpressionWrong, Read
from serval.pipelines.plan import PipelinePlan
from serval.pipelines.planned_step import PlannedStep
from serval.pipelines.tasks.answers import check_answer
from serval.pipelines.tasks.inputs import is_json
from serval.pipelines.tasks.run_inputs import read_json
from serval.pipelines.values import ONE, make_tensor, tensor_json
from serval.protocol.request import check_tensor

GivenInput = tuple[TensorSpec, dict[str, TensorSpec], Expression, Read | None]
"""An input of a step's model, all that the model has, and the expression that gives it."""


@dataclass(slots=True)
class Value:
    """What a step gave."""

    tensors: Mapping[str, Tensor] | None = None
    """None: JSON."""
    json: Any = None
    specs: Mapping[str, TensorSpec] = field(default_factory=dict)

    def as_json(self, wanted: Collection[str] | None) -> Any:
        """Return it as JSON; tensors become an object, which has those that are wanted."""
        if self.tensors is None:
            return self.json
        return {
            name: tensor_json(tensor, self.specs[name].shape)
            for name, tensor in self.tensors.items()
            if wanted is None or name in wanted
        }


@dataclass(slots=True)
class RunValues:
    """The inputs of a run, and what its steps have given so far."""

    plan: PipelinePlan
    inputs: Mapping[str, Tensor]
    values: dict[str, Value] = field(default_factory=dict)
    """Step → what it gave; a step that was skipped is not there."""
    _views: dict[tuple[str, str], Any] = field(default_factory=dict)

    def forget(self, names: Collection[str]) -> None:
        """Forget what was given under these names, as after an item of a map."""
        for name in names:
            self.values.pop(name, None)
        for key in [key for key in self._views if key[0] in names]:
            del self._views[key]

    def tensor(
        self,
        spec: TensorSpec,
        known: dict[str, TensorSpec],
        expression: Expression,
        read: Read | None,
    ) -> Tensor:
        """Return a tensor for an input of a step's model: handed on, or made of JSON."""
        found = self.handed_on(expression)
        if found is None:
            return make_tensor(spec, self.evaluate(expression, read))
        check_tensor(spec.name, found.datatype, found.array.shape, known)
        if found.name == spec.name:
            return found
        return Tensor(spec.name, found.datatype, found.array)

    def word(self, expression: Expression, read: Read | None) -> tuple[Any, bool]:
        """Return what a task gets, a tensor or JSON, and whether it is a list."""
        found = self.handed_on(expression)
        if found is None:
            value = self.evaluate(expression, read)
            return value, isinstance(value, list)
        return found, self._shape(expression.source or "", expression.part) != ONE

    def handed_on(self, expression: Expression) -> Tensor | None:
        """Return the tensor that an expression only names, if it does."""
        source, part = expression.source, expression.part
        if source is None:
            return None
        if part is None:
            is_read = is_json(self.plan.definition.task, source)
            return None if is_read else self.inputs.get(source)
        value = self.values.get(source)
        return None if value is None or value.tensors is None else value.tensors.get(part)

    def _shape(self, source: str, part: str | None) -> tuple[int, ...]:
        """Return the declared shape of a tensor."""
        if part is not None:
            return self.values[source].specs[part].shape
        specs = self.plan.definition.inputs
        return next(spec.shape for spec in specs if spec.name == source)

    def evaluate_at(self, planned: PlannedStep, place: str) -> Any:
        """Evaluate an expression of a step."""
        return self.evaluate(planned.expressions[place], planned.reading[place])

    def evaluate_output(self) -> Any:
        """Return the answer in JSON; None if it comes from a step that was skipped.

        Raises
        ------
        ExpressionWrong
            If there is none, or it is not what the pipeline's task answers.
        """
        plan = self.plan
        expression, task = plan.outputs["output"], plan.definition.task
        if (source := expression.source) in plan.steps and source not in self.values:
            if task is not None:
                raise ExpressionWrong(f"step {source!r} was skipped by its 'when'")
            return None
        found = self.evaluate(expression, plan.reading["output"])
        return found if task is None else check_answer(task, found)

    def evaluate(self, expression: Expression, read: Read | None) -> Any:
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
        """Return a tensor as JSON; a run converts it once."""
        key = name, part or ""
        if key not in self._views:
            if part is None and is_json(self.plan.definition.task, name):
                self._views[key] = read_json(tensor)
            else:
                self._views[key] = tensor_json(tensor, self._shape(name, part))
        return self._views[key]
