"""What is known of a task without importing it is what its class says."""

import json
from collections.abc import Callable
from functools import partial
from importlib import import_module
from itertools import product
from typing import Any

import pytest

from serval.errors import InvalidParameter
from serval.models.signature import Signature, TensorSpec
from serval.models.task_signature import ANSWERS_IN_LIST, TAKES, answers_row_by_row
from serval.tasks.audio.transcribe import SpeechRecognition
from serval.tasks.audio.whisper import WhisperRecognition
from serval.tasks.catalogue import TASKS
from serval.tasks.parameter_rules import check_parameters, known_parameters
from serval.tasks.parameters import Parameters
from tests.tasks.harness import RECORDED, open_case

ODD = (-3, "some", [7], {"no": 1})
"""Values that hardly any parameter may have."""
CASES = (
    "audio-waveform",
    "bart-no-cache",
    "feature-extraction-mean",
    "fill-mask-wordpiece",
    "gpt2",
    "image-clip",
    "image-detr",
    "image-segformer",
    "image-to-text",
    "image-vit",
    "question-answering-wordpiece",
    "sentence-similarity-mean",
    "speak-voices",
    "speech-letters",
    "t5-translation",
    "text-classification",
    "token-classification-wordpiece",
    "whisper",
    "zero-shot-classification-wordpiece",
)
"""Of ``tests/tasks/recorded``, each task's."""
IDS, MASK = (TensorSpec(name, "INT64", (-1, -1)) for name in ("input_ids", "attention_mask"))


@pytest.mark.parametrize("name", sorted(TASKS))
def test_what_a_task_takes_and_how_it_answers_is_known_without_importing_it(name: str) -> None:
    module, _, class_name = TASKS[name].partition(":")
    task = getattr(import_module(f"serval.tasks.{module}"), class_name)
    assert task.takes == TAKES.get(name, "text")
    assert task.answers_in_list == (name in ANSWERS_IN_LIST)
    assert task.accepts <= known_parameters(name)


def test_every_parameter_of_speech_recognition_is_one_of_either_recogniser() -> None:
    both = SpeechRecognition.accepts | WhisperRecognition.accepts
    assert both == known_parameters("automatic-speech-recognition")


@pytest.mark.parametrize("case", CASES)
def test_a_model_refuses_whatever_is_refused_before_it_sees_it(case: str) -> None:
    [call, *_] = json.loads((RECORDED / case / "answers.json").read_text())
    task = json.loads((RECORDED / case / "bundle/task.json").read_text())["name"]
    model, inputs = open_case(case), read_inputs(case, call["inputs"][:1])
    names = known_parameters(task) & (model.accepts or frozenset())
    for name, value in product(sorted(names), ODD):
        given = Parameters({**call["parameters"], name: value})
        early = words(partial(check_parameters, task, given))
        assert early in ("", words(partial(model.answer, inputs, given))) or name == "max_length"


def read_inputs(case: str, inputs: list[Any]) -> list[Any]:
    return [
        (RECORDED / case / one["file"]).read_bytes() if "file" in one and len(one) == 1 else one
        for one in inputs
    ]


def words(check: Callable[[], object]) -> str:
    """Return what a parameter is refused with, without a bound that may be the model's own."""
    try:
        check()
    except InvalidParameter as error:
        return str(error).partition(" to ")[0]
    return ""


@pytest.mark.parametrize(
    ("task", "inputs", "shared"),
    [
        ("text-classification", (IDS, MASK), True),
        ("text-classification", (IDS,), False),
        ("image-classification", (TensorSpec("pixel_values", "FP32", (-1, 3, -1, -1)),), True),
        ("text-generation", (IDS, MASK), False),
    ],
)
def test_only_inputs_that_nothing_beside_them_changes_share_a_run(
    task: str, inputs: tuple[TensorSpec, ...], shared: bool
) -> None:
    assert answers_row_by_row(task, Signature(inputs, ())) is shared
