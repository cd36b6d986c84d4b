"""A pipeline as the task that it stands for; it runs once for each input."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from serval.errors import InvalidInputs
from serval.models.tensor import Tensor
from serval.pipelines.tasks.answers import answers_in_list
from serval.short_repr import short_repr
from serval.tasks.parameter_rules import check_inputs, check_parameters
from serval.tasks.parameters import Parameters
from serval.tasks.payload import Payload
from serval.tasks.task import InputKind
from serval.tasks.tensors import KnownTask, task_tensors


@dataclass(frozen=True, slots=True)
class PipelineTask:
    """A task whose answers are those of a pipeline's runs."""

    name: str
    ask: Callable[[Sequence[Sequence[Tensor]]], list[Any]]
    """Runs the pipeline on the tensors of each input; returns the answer to each."""

    @property
    def takes(self) -> InputKind:
        """What one input is."""
        return KnownTask.by_name(self.name).takes

    @property
    def accepts(self) -> frozenset[str] | None:
        """Names of the parameters that a request may have: those of the task."""
        return KnownTask.by_name(self.name).accepts

    @property
    def answers_in_list(self) -> bool:
        """Whether a single input's answer is sent as a list of one."""
        return answers_in_list(self.name)

    def answer(self, inputs: Sequence[Any], parameters: Parameters) -> list[Any]:
        """Answer inputs of the kind ``takes``, each by a run of its own."""
        check_parameters(self.name, parameters)
        check_inputs(self.name, inputs)
        takes = self.takes
        for index, each in enumerate(inputs):
            if takes == "text" and not isinstance(each, str):
                raise InvalidInputs(
                    f"input {index}: {short_repr(each)} given, a text expected: pipelines take no "
                    "pairs"
                )
        return self.ask(input_tensors(takes, inputs, parameters))


def input_tensors(
    takes: InputKind, inputs: Sequence[Any], parameters: Parameters
) -> list[list[Tensor]]:
    """Write the tensors of a run for each input; a parameter that is null is left out."""
    named = {name: each for name, each in parameters.values.items() if each is not None}
    return [task_tensors(takes, Payload([each], False, Parameters(named))) for each in inputs]
