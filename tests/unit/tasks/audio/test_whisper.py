"""Whisper is told what to write by tokens, and asked for what it cannot do it says so."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serval.errors import InvalidInputs, InvalidParameter
from serval.tasks.audio.spoken_prompt import SpokenPrompt
from serval.tasks.audio.timestamps import TimeTokens
from serval.tasks.files import TaskUnreadable
from serval.tasks.generation.history import History
from serval.tasks.parameters import Parameters
from tests.tasks.harness import open_case

SOUND = Path(__file__).parents[3] / "tasks/recorded/sounds/deep.wav"
MANY = SpokenPrompt.from_config(
    {
        "lang_to_id": {"<|en|>": 10, "<|de|>": 11},
        "task_to_id": {"transcribe": 20, "translate": 21},
        "no_timestamps_token_id": 30,
    },
    1,
)
TIMES = TimeTokens(31, 0.02, 25, None)
LAST = 40


def answer(case: str, **parameters: Any) -> Any:
    return open_case(case).answer([SOUND.read_bytes()], Parameters(parameters))


def scores_after(*written: int) -> np.ndarray:
    """Return which tokens may follow what was written after a prompt of one."""
    history = History.begin(np.array([[1, *written]]), 9)
    history.prompt = 1
    scores = np.zeros((1, LAST), np.float32)
    scores[0, 26] = 9.0
    TIMES.rule(history, scores)
    return np.isfinite(scores[0])


@pytest.mark.parametrize("language", ["en", "EN", "<|en|>", "English"])
def test_a_language_is_a_code_or_a_name(language: str) -> None:
    assert MANY.begin(language, None, times=False) == [1, 10, 20, 30]


def test_a_language_that_is_not_given_is_heard() -> None:
    assert MANY.begin(None, None, times=False) == [1, None, 30]
    assert MANY.begin(None, "translate", times=True) == [1, None, 21]
    scores = np.zeros(40)
    scores[[11, 25]] = 1.0, 2.0
    assert MANY.hear_language(scores) == 11


def test_older_configs_force_tokens() -> None:
    forced = SpokenPrompt.from_config({"forced_decoder_ids": [[1, 8], [2, 9]]}, 1)
    assert forced.begin(None, None, times=False) == [1, 8, 9]


def test_forced_tokens_have_no_gap() -> None:
    with pytest.raises(TaskUnreadable, match=r"generation_config.json: the tokens of speech"):
        SpokenPrompt.from_config({"forced_decoder_ids": [[1, 8], [3, 9]]}, 1)


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        ({"language": "klingon"}, "'klingon' given, one of: de, en, fr expected"),
        ({"task": "sing"}, "'sing' given, one of: transcribe, translate expected"),
        ({"return_timestamps": "word"}, "'word' given, true or false expected"),
        ({"generation_parameters": 5}, "5 given, an object expected"),
        ({"generation_parameters": {"beams": 5}}, "parameter 'beams': 5 given"),
        ({"num_beams": 0}, "0 given, an integer from 1"),
    ],
)
def test_what_the_model_cannot_do_is_refused(bad: dict[str, Any], expected: str) -> None:
    with pytest.raises(InvalidParameter, match=expected):
        answer("whisper", **bad)


def test_a_model_of_one_language_has_no_other() -> None:
    with pytest.raises(InvalidParameter, match="'de' given, one of: no language expected"):
        answer("whisper-english", language="de")


def test_nested_parameters_are_those_of_generation() -> None:
    nested = answer("whisper", generation_parameters={"num_beams": 1, "max_length": 6})
    assert nested == answer("whisper", num_beams=1, max_new_tokens=6)


def test_what_is_no_sound_is_refused() -> None:
    with pytest.raises(InvalidInputs, match="input 0: not a sound"):
        open_case("whisper").answer([b"hello"], Parameters())


def test_a_text_begins_with_a_time() -> None:
    assert np.flatnonzero(scores_after()).tolist() == list(range(31, LAST))


def test_after_the_first_time_come_words() -> None:
    assert np.flatnonzero(scores_after(33)).tolist() == list(range(30))


def test_after_a_time_that_ends_words_comes_a_time_no_earlier_or_the_end() -> None:
    assert np.flatnonzero(scores_after(33, 2, 35)).tolist() == [25, 26, 27, 28, 29, *range(35, 40)]


def test_times_never_go_back() -> None:
    assert np.flatnonzero(scores_after(33, 2))[30:].tolist() == list(range(34, 40))


def test_what_follows_the_last_pair_of_times_is_heard_again() -> None:
    assert TIMES.cut([31, 2, 36, 36, 2, 3], 100, 2) == ([31, 2, 36, 36], 10)
    assert TIMES.cut([31, 2, 36, 36, 2, 39], 100, 2) == ([31, 2, 36, 36, 2, 39], 100)
    assert TIMES.cut([2, 3], 70, 2) == ([2, 3], 70)


def test_words_stand_between_times() -> None:
    chunks = TIMES.chunks([31, 2, 3, 36, 36, 4], str)
    assert list(chunks) == [
        {"text": "[2, 3]", "timestamp": [0.0, 0.1]},
        {"text": "[4]", "timestamp": [0.1, None]},
    ]
