"""A step whose model has a task: it asks in the task's words, and gets JSON."""

from collections.abc import Mapping
from typing import Any

from serval.errors import InvalidInputs
from serval.inference.loaded import Loaded
from serval.models.task_signature import PARAMETERS
from serval.models.tensor import Tensor
from serval.pipelines.step_times import StepTimes
from serval.tasks.call import answer_payload
from serval.tasks.parameters import Parameters
from serval.tasks.payload import Payload, read_document
from serval.tasks.task import Task
from serval.tasks.tensors import read_call


def answer_task(loaded: Loaded, given: Mapping[str, tuple[Any, bool]], times: StepTimes) -> Any:
    """Ask a version's task; return one answer for one input, and a list for a list.

    Parameters
    ----------
    given
        Word → a tensor or JSON, and whether that is a list of inputs.
    times
        Those of the run, to which a pipeline of the task adds its own.

    Raises
    ------
    InvalidRequest
        If an input or a parameter is wrong.
    InferenceFailed
        If the graph fails.
    """
    task = loaded.task
    if task is None:
        raise InvalidInputs(f"model {loaded.record.model!r} has no task")
    payload = read_words(task, given)
    try:
        answers = answer_payload(task, payload)
    finally:
        if isinstance(nested := getattr(loaded.model, "times", None), StepTimes):
            times.add_nested(nested)
    return answers if payload.is_list else answers[0]


def read_words(task: Task, given: Mapping[str, tuple[Any, bool]]) -> Payload:
    """Read the inputs and the parameters of a call."""
    parameters = _parameters(given.get(PARAMETERS))
    word = next(each for each in given if each != PARAMETERS)
    value, is_list = given[word]
    if isinstance(value, Tensor):
        tensor = Tensor(word, "BYTES", value.array.reshape(-1))
        inputs, _ = read_call(task, [tensor])
        payload = Payload(inputs, is_list, parameters)
    else:
        body = {"inputs": value, "parameters": parameters.values}
        payload = read_document(body, task.takes, f"input.{word}")
    payload.parameters.expect(task.accepts)
    return payload


def _parameters(given: tuple[Any, bool] | None) -> Parameters:
    value = {} if given is None else given[0]
    if isinstance(value, Tensor) or not isinstance(value, dict):
        raise InvalidInputs("parameters: an expression that gives an object expected")
    return Parameters({name: each for name, each in value.items() if each is not None})
