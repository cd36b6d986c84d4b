"""Golden requests in the words of a model's task."""

import io
import wave
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from serval.errors import InferenceFailed, InvalidInputs, InvalidRequest
from serval.inference.loaded import Loaded
from serval.models.tensor import Tensor
from serval.rollouts.golden.differences import TOLERANCES, Differences
from serval.rollouts.golden.requests import GoldenRequest
from serval.short_repr import short_repr
from serval.tasks.call import answer_payload, shape_answers
from serval.tasks.parameters import Parameters
from serval.tasks.payload import Payload, read_payload
from serval.tasks.task import InputKind, Media, Task
from serval.tasks.tensors import run_task, task_tensors


def ask_task(
    task: Task | None, request: GoldenRequest, tolerance: float | None
) -> tuple[Sequence[Tensor], Differences]:
    """Answer a golden request by a version's task, and compare the answer.

    The inputs are returned as the task's tensors, which ask the same again.

    Raises
    ------
    InvalidRequest
        If the request is wrong, or the version has no task.
    """
    if task is None:
        raise InvalidInputs("the line has an 'answer' in a task's words, but model.yaml no 'task'")
    payload = read_payload(request.body, "application/json", task)
    given = shape_answers(task, payload, answer_payload(task, payload))
    allowed = TOLERANCES["FP32"] if tolerance is None else tolerance
    return task_tensors(task.takes, payload), compare_answers(request.answer, given, allowed)


def try_task(loaded: Loaded) -> Sequence[Tensor]:
    """Ask a version's task something made up; return its tensors, or none if it cannot answer.

    Only golden requests can tell what a task that needs parameters or rows takes.
    """
    task = loaded.task
    made = None if task is None else MADE_UP.get(task.takes)
    if task is None or made is None:
        return ()
    tensors = task_tensors(task.takes, Payload([made()], is_list=False, parameters=Parameters()))
    try:
        run_task(task, tensors)
    except (InvalidRequest, InferenceFailed):
        return ()
    return tensors


def make_picture() -> bytes:
    """Make a PNG of 224 x 224 pixels."""
    from PIL import Image

    target = io.BytesIO()
    Image.linear_gradient("L").resize((224, 224)).convert("RGB").save(target, "PNG")
    return target.getvalue()


def make_sound() -> bytes:
    """Make a second of a WAV, a tone of 440 Hz at 16 kHz."""
    times = np.arange(16_000) / 16_000
    samples = (np.sin(2 * np.pi * 440 * times) * 2**14).astype("<i2")
    target = io.BytesIO()
    with wave.open(target, "wb") as sound:
        sound.setparams((1, 2, 16_000, 0, "NONE", ""))
        sound.writeframes(samples.tobytes())
    return target.getvalue()


MADE_UP: Mapping[InputKind, Callable[[], str | bytes]] = {
    "text": lambda: "The quick brown fox jumps over the lazy dog.",
    "image": make_picture,
    "audio": make_sound,
}


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
