"""Steps whose models are handlers: requests to them, and the JSON that they answer."""

import json
from pathlib import Path
from typing import Any

import pytest

from serval.errors import MalformedBody
from serval.inference.runtimes import RuntimeFailed
from serval.requests.request import AsyncRequest
from tests.fakes.durable import DurableStage
from tests.fakes.pipelines import publish_pipeline

HEAD = """
name: chain
durable: true
inputs: [{name: text, datatype: BYTES, shape: [1]}]
steps:
"""
FINDS = (
    HEAD
    + """
  - {name: wanted, rule: '$uppercase(text)'}
  - {name: book, model: shelf, input: {inputs: wanted, parameters: '{"top_k": 1}'}%s}
output: '{"found": book.inputs, "of": book.parameters.top_k}'
"""
)
POSTS = HEAD + "  - {name: book, model: shelf, input: {body: text}%s}\noutput: book\n"


@pytest.fixture
def stage(tmp_path: Path) -> DurableStage:
    return DurableStage(tmp_path)


def ask(stage: DurableStage, pipeline: str, text: str = "dracula") -> AsyncRequest:
    """Publish a pipeline, ask it, and let everything happen that follows."""
    publish_pipeline(stage.world.registry, pipeline)
    tensor = {"name": "text", "datatype": "BYTES", "shape": [1], "data": [text]}
    payload = json.dumps({"inputs": [tensor]}).encode()
    stage.world.submit("r1", model="chain", payload=payload)
    stage.finish("chain")
    return stage.world.row("r1")


def answer_of(stage: DurableStage) -> Any:
    return json.loads(stage.world.result("r1")[0])


def called(stage: DurableStage) -> list[bytes]:
    bodies: list[bytes] = stage.handler.process.called
    return bodies


def fail_by(stage: DurableStage, error: Exception) -> None:
    def fail(body: bytes) -> bytes:
        raise error

    stage.handler.process.answer = fail


def test_a_handler_is_given_the_inputs_as_members_of_a_body_in_json(stage: DurableStage) -> None:
    ask(stage, FINDS % "")
    assert answer_of(stage) == {"found": "DRACULA", "of": 1}
    assert [json.loads(body) for body in called(stage)] == [
        {"inputs": "DRACULA", "parameters": {"top_k": 1}}
    ]


def test_the_step_is_a_request_to_its_model(stage: DurableStage) -> None:
    row = ask(stage, FINDS % "")
    [child] = [one for one in stage.world.store.rows.values() if one.model == "shelf"]
    assert (child.status, child.fleet, child.affinity) == ("succeeded", "lambda", "r1")
    members = stage.documents.describe(row).members
    assert members["step_versions"] == {"book": "1"}


def test_a_handler_is_told_that_json_comes_and_is_expected(stage: DurableStage) -> None:
    told: list[tuple[str, str]] = []
    answer = stage.handler.process.call

    def call(body: bytes, content_type: str, accept: str) -> Any:
        told.append((content_type, accept))
        return answer(body, content_type, accept)

    stage.handler.process.call = call
    ask(stage, FINDS % "")
    assert told == [("application/json", "application/json")]


def test_a_whole_body_is_handed_on_as_it_is(stage: DurableStage) -> None:
    ask(stage, POSTS % "", "[1, 2]")
    assert called(stage) == [b"[1, 2]"]
    assert answer_of(stage) == [1, 2]


@pytest.mark.parametrize("text", ["no JSON", "NaN", "[" * 100_000])
def test_an_answer_that_is_not_json_fails_the_step(stage: DurableStage, text: str) -> None:
    row = ask(stage, POSTS % "", text)
    assert row.status == "failed"
    assert (row.error or "").startswith(
        "model 'chain' version '1' failed: step 'book': model 'shelf' version '1' failed: its "
        f"answer is no JSON, which a step's must be: {len(text)} bytes of application/"
    )


def test_several_bodies_are_refused(stage: DurableStage) -> None:
    row = ask(stage, POSTS.replace("body: text", """body: '["1", "2"]'""") % "")
    said = "step 'book': body: 2 given, one expected: 'map' asks for each item of a list"
    assert said in (row.error or "")
    assert called(stage) == []


def test_a_handler_is_asked_for_each_item_of_a_list(stage: DurableStage) -> None:
    text = HEAD + (
        """  - {name: books, map: '$split(text, " ")', item: word, model: shelf, """
        "input: {inputs: word}}\noutput: books.inputs\n"
    )
    ask(stage, text, "one two three")
    assert answer_of(stage) == ["one", "two", "three"]
    assert len(called(stage)) == 3


def test_a_handler_that_is_not_wanted_is_not_asked(stage: DurableStage) -> None:
    ask(stage, (POSTS % ", when: text = 'dracula'").replace("'dracula'", '"dracula"'), "x")
    assert answer_of(stage) is None
    assert called(stage) == []


@pytest.mark.parametrize("text", ["no JSON", "raise"])
def test_a_value_stands_in_for_a_handler_that_fails(stage: DurableStage, text: str) -> None:
    if text == "raise":
        fail_by(stage, RuntimeFailed("handler.py raised KeyError in line 3"))
    ask(stage, POSTS % ", on_error: {value: none}", text)
    assert answer_of(stage) == "none"


def test_a_handler_that_fails_ends_the_request_and_names_the_step(stage: DurableStage) -> None:
    fail_by(stage, RuntimeFailed("handler.py raised KeyError in line 3"))
    row = ask(stage, FINDS % "")
    assert (row.status, row.refused) == ("failed", False)
    assert (row.error or "").startswith("model 'chain' version '1' failed: step 'book': ")
    assert "handler.py raised KeyError in line 3" in (row.error or "")


def test_what_a_handler_refuses_of_the_callers_inputs_is_the_callers(stage: DurableStage) -> None:
    fail_by(stage, MalformedBody("the body is no image"))
    row = ask(stage, POSTS % "")
    assert (row.status, row.refused) == ("failed", True)
    assert (row.error or "").startswith("pipeline 'chain' version '1': step 'book': ")
    assert "the body is no image" in (row.error or "")


def test_a_handler_that_takes_too_long_is_given_up(stage: DurableStage) -> None:
    stage.idle = True
    row = ask(stage, FINDS % ", timeout_seconds: 90")
    assert "step 'book': took longer than 90 s" in (row.error or "")
    [child] = [one for one in stage.world.store.rows.values() if one.model == "shelf"]
    assert child.status == "cancelled"


def test_a_body_too_large_for_an_event_fails_the_step(stage: DurableStage) -> None:
    row = ask(stage, POSTS % "", "x" * (4 * 2**20 + 1))
    assert "step 'book': " in (row.error or "")
    assert "a body for the handler of model 'shelf', which runs on Lambda" in (row.error or "")


def test_a_pipeline_over_a_handler_may_be_a_step(stage: DurableStage) -> None:
    inner = (FINDS % "").replace("name: chain", "name: inner")
    publish_pipeline(stage.world.registry, inner)
    ask(stage, HEAD + "  - {name: all, model: inner}\noutput: all.found\n")
    assert answer_of(stage) == "DRACULA"
    assert {row.model for row in stage.world.store.rows.values()} == {"chain", "inner", "shelf"}


def test_a_handler_of_a_pipeline_of_a_task_answers_as_a_model_of_the_task(
    stage: DurableStage,
) -> None:
    text = """
name: chain
durable: true
task: text-classification
steps: [{name: book, model: shelf, input: {inputs: text}}]
output: '{"label": book.inputs, "score": 1}'
"""
    ask(stage, text)
    assert answer_of(stage) == [{"label": "dracula", "score": 1}]
