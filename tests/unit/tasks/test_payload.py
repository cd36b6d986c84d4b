"""Bodies of calls: what becomes inputs, and what is refused before a task sees it."""

import base64
import json
import math
from collections.abc import Sequence
from typing import Any

import pytest

from serval.errors import InvalidInputs, MalformedBody, PayloadTooLarge
from serval.tasks.call import answer_payload, write_answers, write_json
from serval.tasks.parameters import Parameters
from serval.tasks.payload import read_payload

PNG = b"\x89PNG\r\n\x1a\n{"


class Echo:
    """A task that answers with its inputs."""

    accepts = frozenset({"top_k"})
    answers_in_list = False

    def __init__(self, takes: Any) -> None:
        self.takes = takes

    def answer(self, inputs: Sequence[Any], parameters: Parameters) -> list[Any]:
        return list(inputs)


@pytest.mark.parametrize("table", [[], {}, {"a": []}, "a,b\n"])
def test_a_table_without_rows_is_refused(table: Any) -> None:
    with pytest.raises(InvalidInputs, match="no rows"):
        read_payload(json.dumps({"inputs": table}), "application/json", Echo("table"))


def test_a_table_of_csv_without_rows_is_refused() -> None:
    with pytest.raises(InvalidInputs, match="no rows"):
        read_payload("a,b\n", "text/csv", Echo("table"))


@pytest.mark.parametrize("content_type", ["", "image/png", "application/octet-stream"])
def test_an_image_may_come_as_it_is(content_type: str) -> None:
    assert read_payload(PNG, content_type, Echo("image")).inputs == [PNG]


@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,"])
def test_an_image_may_come_in_base64(prefix: str) -> None:
    body = json.dumps({"inputs": prefix + base64.b64encode(PNG).decode(), "top_k": 2})
    read = read_payload(body, "application/json", Echo("image"))
    assert (read.inputs, read.parameters.get("top_k")) == ([PNG], 2)


@pytest.mark.parametrize(("kind", "noun"), [("image", "an image"), ("audio", "sound")])
def test_what_is_not_base64_is_refused(kind: str, noun: str) -> None:
    with pytest.raises(InvalidInputs, match=f"'no!' is not base64: {noun} in base64 expected"):
        read_payload('{"inputs": "no!"}', "", Echo(kind))


def test_an_image_that_came_as_text_is_said_to_be_damaged() -> None:
    with pytest.raises(MalformedBody, match="the image was damaged on the way"):
        read_payload("\ufffdPNG", "text/plain", Echo("image"))


def test_text_that_looks_like_the_start_of_json_is_text() -> None:
    assert read_payload("[sic] he said", "", Echo("text")).inputs == ["[sic] he said"]


def test_declared_json_has_to_be_json() -> None:
    with pytest.raises(MalformedBody, match="not valid JSON"):
        read_payload("[sic] he said", "application/json; charset=utf-8", Echo("text"))


def test_json_over_the_limit_is_refused_and_a_file_is_not() -> None:
    with pytest.raises(PayloadTooLarge):
        read_payload('{"inputs": "aaaa"}', "", Echo("image"), json_limit=10)
    assert read_payload(b"\xff" * 20, "", Echo("image"), json_limit=10).inputs == [b"\xff" * 20]


def test_numbers_that_json_lacks_are_answered_as_text() -> None:
    found = write_json([{"label": "a", "score": math.nan}, [math.inf, -math.inf, 0.5]])
    assert json.loads(found) == [{"label": "a", "score": "NaN"}, ["Infinity", "-Infinity", 0.5]]


def test_an_answer_is_written_as_json() -> None:
    task = Echo("text")
    payload = read_payload('"good"', "application/json", task)
    answer = write_answers(task, payload, answer_payload(task, payload))
    assert (answer.body, answer.content_type) == (b'"good"', "application/json")
