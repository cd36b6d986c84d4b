"""The events of text-generation, token by token."""

from typing import Any

import pytest

from serval.errors import InvalidInputs, InvalidParameter
from serval.tasks.generation.stream_text import stream_text
from serval.tasks.generation.text_generation import TextGeneration
from serval.tasks.parameters import Parameters
from tests.tasks.harness import open_case

TEXT = "The morning train"


def task() -> TextGeneration:
    found = open_case("gpt2")
    assert isinstance(found, TextGeneration)
    return found


def stream(*texts: Any, **asked: Any) -> list[dict[str, Any]]:
    return list(stream_text(task(), list(texts), Parameters({"max_new_tokens": 6, **asked})))


def whole(**asked: Any) -> Any:
    return task().answer([TEXT], Parameters({"max_new_tokens": 6, **asked}))[0]


def test_each_token_is_an_event_and_the_last_has_the_whole_text() -> None:
    asked = {"details": True, "top_n_tokens": 2, "return_full_text": True}
    *events, last = stream(TEXT, **asked)
    expected = whole(**asked)
    assert [event["index"] for event in [*events, last]] == [1, 2, 3, 4, 5, 6]
    assert [event["token"] for event in [*events, last]] == expected["details"]["tokens"]
    assert [event["top_tokens"] for event in [*events, last]] == expected["details"]["top_tokens"]
    assert {event["generated_text"] for event in events} == {None}
    assert last["generated_text"] == expected["generated_text"]
    assert last["details"] == {
        "finish_reason": "length",
        "generated_tokens": 6,
        "input_length": 9,
        "seed": None,
    }


def test_a_seed_repeats_a_stream_that_was_drawn_by_chance() -> None:
    asked = {"do_sample": True, "seed": 5, "temperature": 1.3}
    events = stream(TEXT, **asked)
    assert "".join(event["token"]["text"] for event in events) == whole(**asked)["generated_text"]
    assert events[-1]["details"]["seed"] == 5


def test_a_token_comes_before_the_next_one_is_computed() -> None:
    events = stream_text(task(), [TEXT], Parameters({"max_new_tokens": 30}))
    assert next(events)["index"] == 1
    events.close()


def test_a_stream_is_of_one_text() -> None:
    with pytest.raises(InvalidInputs, match="2 inputs given, one expected"):
        stream(TEXT, TEXT)
    with pytest.raises(InvalidParameter, match=r"best_of.*a stream has one text"):
        stream(TEXT, best_of=2, do_sample=True)
    with pytest.raises(InvalidParameter, match=r"watermark.*false"):
        stream(TEXT, watermark=True)
