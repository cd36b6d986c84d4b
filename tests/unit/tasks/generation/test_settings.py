"""What a request may say of generation."""

from pathlib import Path
from typing import Any

import pytest

from serval.errors import InvalidInputs, InvalidParameter
from serval.tasks.files import TaskFiles, TaskUnreadable
from serval.tasks.generation.settings import GenerationDefaults
from serval.tasks.parameters import Parameters
from tests.unit.tasks.generation.markov import settings


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("max_new_tokens", 0, "an integer from 1"),
        ("temperature", -1, "a number from 0"),
        ("temperature", "hot", "a number from 0"),
        ("top_p", 1.5, "a number from 0 to 1"),
        ("num_beams", 1000, "an integer from 1 to 64"),
        ("stop", [""], "strings of 1 to 256 characters"),
        ("stop", [7], "a list of strings"),
        ("bad_words_ids", [[]], "a list of lists of token ids"),
        ("suppress_tokens", ["a"], "the id of a token, or a list of ids"),
        ("forced_bos_token_id", [1, 2], "the id of one token"),
        ("early_stopping", "soon", "true or false"),
        ("exponential_decay_length_penalty", [1], "a number of tokens with a factor over 0"),
        ("repetition_penalty", 0, "a number from 0.01"),
    ],
)
def test_an_impossible_value_is_refused_with_what_is_possible(
    name: str, value: Any, said: str
) -> None:
    with pytest.raises(InvalidParameter, match=f"{name}.*{said}"):
        settings(**{name: value})


def test_beams_and_chance_contradict_each_other() -> None:
    with pytest.raises(InvalidParameter, match=r"num_beams.*does not sample"):
        settings(num_beams=2, do_sample=True)


def test_a_temperature_asks_for_chance_unless_it_is_0() -> None:
    assert settings(temperature=0.7).do_sample
    assert not settings(temperature=0).do_sample
    assert not settings(temperature=0.7, do_sample=False).do_sample


def test_a_request_goes_over_the_bundle() -> None:
    defaults = GenerationDefaults({"num_beams": 4, "max_new_tokens": 9, "eos_token_id": 2})
    asked = defaults.settings(Parameters({"num_beams": 1, "max_length": 7, "top_k": None}))
    assert (asked.num_beams, asked.max_new_tokens, asked.max_length) == (1, None, 7)
    assert asked.eos == (2,)


def test_more_than_the_model_has_places_for_is_refused_with_the_numbers() -> None:
    with pytest.raises(InvalidParameter, match=r"max_new_tokens.*30 given, 1 to 28 .*32 positions"):
        settings(max_new_tokens=30).bound(4, 32, 20)
    with pytest.raises(InvalidParameter, match=r"max_length.*3 given, 5 to 32 "):
        settings(max_length=3).bound(4, 32, 20)
    with pytest.raises(InvalidInputs, match="32 tokens long, the model has 32 positions"):
        settings().bound(32, 32, 20)


def test_what_the_bundle_says_is_cut_to_the_room_there_is() -> None:
    defaults = GenerationDefaults({"max_new_tokens": 100})
    assert defaults.settings(Parameters()).bound(4, 32, 20).max_new_tokens == 28
    assert settings().bound(4, 32, 20).max_new_tokens == 20
    short = GenerationDefaults({"max_length": 3}).settings(Parameters())
    assert short.bound(4, 32, 20).max_new_tokens == 20


def test_an_impossible_default_is_told_when_the_bundle_is_opened(tmp_path: Path) -> None:
    (tmp_path / "generation_config.json").write_text('{"num_beams": "many"}')
    files = TaskFiles(tmp_path, lambda path: pytest.fail(f"{path} opened"))
    with pytest.raises(TaskUnreadable, match=r"generation_config.json: parameter 'num_beams'"):
        GenerationDefaults.from_files(files)
