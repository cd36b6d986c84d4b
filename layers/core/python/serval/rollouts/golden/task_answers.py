"""Golden requests in the words of a model's task."""

from collections.abc import Mapping, Sequence
from typing import Any

from serval.errors import InvalidInputs
from serval.inference.loaded import Loaded
from serval.models.tensor import Tensor
from serval.rollouts.golden.differences import TOLERANCES, Differences
from serval.rollouts.golden.requests import GoldenRequest
from serval.short_repr import short_repr
from serval.tasks.call import answer_payload, shape_answers
from serval.tasks.payload import read_payload
from serval.tasks.task import Media
from serval.tasks.tensors import task_tensors


def ask_task(
    loaded: Loaded, request: GoldenRequest, tolerance: float | None
) -> tuple[Sequence[Tensor], Differences]:
    """Answer a golden request by the version's task, and compare the answer.

    The inputs are returned as the task's tensors, which ask the same again.

    Raises
    ------
    InvalidRequest
        If the request is wrong, or the version has no task.
    """
    task = loaded.task
    if task is None:
        raise InvalidInputs("the line has an 'answer' in a task's words, but model.yaml no 'task'")
    payload = read_payload(request.body, "application/json", task)
    given = shape_answers(task, payload, answer_payload(task, payload))
    allowed = TOLERANCES["FP32"] if tolerance is None else tolerance
    return task_tensors(task, payload), compare_answers(request.answer, given, allowed)


def compare_answers(expected: Any, given: Any, tolerance: float) -> Differences:
    """Compare two JSON values, numbers with a point within a tolerance.

    What an answer has beyond the expected members of an object is not compared, so that a golden
    line may leave out what does not matter.
    """
    largest: list[float] = [0.0]
    reasons = list(_compare("answer", expected, given, tolerance, largest))
    return Differences(max(largest), tuple(reasons[:1]))


def _compare(
    where: str, expected: Any, given: Any, tolerance: float, largest: list[float]
) -> Sequence[str]:
    if isinstance(given, Media):
        return _compare(where, expected, {"content_type": given.content_type}, tolerance, largest)
    if isinstance(expected, float) and isinstance(given, int | float):
        difference = abs(given - expected)
        largest.append(difference)
        if difference <= tolerance * (1 + abs(expected)):
            return []
        return [f"{where}: {given:.6g} given, {expected:.6g} expected (tolerance {tolerance:g})"]
    if isinstance(expected, Mapping) and isinstance(given, Mapping):
        return [
            reason
            for name, value in expected.items()
            for reason in _compare(f"{where}.{name}", value, given.get(name), tolerance, largest)
        ]
    if isinstance(expected, list) and isinstance(given, list) and len(expected) == len(given):
        return [
            reason
            for index, pair in enumerate(zip(expected, given, strict=True))
            for reason in _compare(f"{where}[{index}]", *pair, tolerance, largest)
        ]
    if expected == given:
        return []
    return [f"{where}: {short_repr(given)} given, {short_repr(expected)} expected"]
