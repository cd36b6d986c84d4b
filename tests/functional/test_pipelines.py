"""Pipelines through ``infer``: what callers send, what they get, and what goes wrong."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from serval.models.route import Route
from serval.pipelines.step_times import StepSpan
from tests.fakes.inference import (
    TWO_COLUMNS,
    Bench,
    answer,
    document,
    event,
    identity,
    plus,
    refusal,
    signature,
    task_event,
)
from tests.fakes.pipelines import publish_pipeline

CHAIN = """
name: chain
inputs: [{name: x, datatype: FP32, shape: [-1, 2]}]
steps:
  - {name: first, model: one}
  - {name: second, model: ten, input: {x: first.y}}
output: {total: second.y, half: first.y}
"""
MOOD = """
name: mood
inputs: [{name: text, datatype: BYTES, shape: [1]}]
steps:
  - {name: mood, model: sentiment}
  - {name: verdict, rule: '{"mood": $lowercase(mood[0].label), "sure": mood[0].score > 0.6}'}
output: verdict
"""
TEXT = {"name": "text", "shape": [1], "datatype": "BYTES", "data": ["good good"]}


def ask(ready: Bench, model: str = "chain", data: Any = (1, 2), **members: Any) -> dict[str, Any]:
    return ready.endpoint.reply(event(model, document(data, **members)))


def say(ready: Bench, model: str, inputs: Any) -> dict[str, Any]:
    body = json.dumps({"inputs": inputs})
    return ready.endpoint.reply(task_event(model, body, content_type="application/json"))


def outputs(reply: dict[str, Any]) -> dict[str, Any]:
    return {each["name"]: each["data"] for each in answer(reply)["outputs"]}


def test_tensors_go_from_step_to_step(ready: Bench) -> None:
    publish_pipeline(ready.edge, CHAIN)
    reply = ask(ready)
    assert outputs(reply) == {"total": [12, 13], "half": [2, 3]}
    assert answer(reply)["model_name"] == "chain"
    assert reply["headers"]["serval-model-version"] == "1"


def test_a_caller_may_ask_for_some_outputs(ready: Bench) -> None:
    publish_pipeline(ready.edge, CHAIN)
    assert outputs(ask(ready, outputs=[{"name": "half"}])) == {"half": [2, 3]}


def test_a_pipeline_of_tensors_answers_posts_of_its_inputs_with_tensors(ready: Bench) -> None:
    publish_pipeline(ready.edge, CHAIN)
    assert outputs(say(ready, "chain", {"x": [[1, 2]]})) == {"total": [12, 13], "half": [2, 3]}
    assert outputs(say(ready, "chain", [[1, 2]]))["total"] == [12, 13]


def test_a_rule_answers_in_json(ready: Bench) -> None:
    publish_pipeline(ready.edge, MOOD)
    expected = {"mood": "positive", "sure": True}
    assert answer(say(ready, "mood", {"text": "good good"})) == expected
    assert answer(say(ready, "mood", "bad"))["mood"] == "negative"
    reply = ready.endpoint.reply(event("mood", json.dumps({"inputs": [TEXT]})))
    assert [json.loads(each) for each in outputs(reply)["answer"]] == [expected]


def test_a_step_with_a_task_answers_a_list_with_a_list(ready: Bench) -> None:
    text = MOOD.replace("[1]", "[-1]").replace("output: verdict", "output: mood[0].label")
    publish_pipeline(ready.edge, re.sub(r"  - \{name: verdict.*\n", "", text))
    assert answer_list(say(ready, "mood", ["good", "bad"])) == ["POSITIVE", "NEGATIVE"]


def answer_list(reply: dict[str, Any]) -> Any:
    assert reply["statusCode"] == 200, reply
    return json.loads(reply["body"])


def test_a_trace_has_a_part_for_each_step(ready: Bench) -> None:
    publish_pipeline(ready.edge, CHAIN)
    spans: list[StepSpan] = []
    traced = replace(ready.endpoint, trace=spans.extend)
    assert traced.reply(event("chain", document((1, 2))))["statusCode"] == 200
    assert [span.step for span in spans] == ["first", "second"]
    assert spans[0].ended <= spans[1].ended
    spans.clear()
    traced.reply(event("one", document((1, 2))))
    assert spans == [], "a model has no steps"


def test_a_trace_has_the_step_that_failed(ready: Bench) -> None:
    publish_pipeline(ready.edge, CHAIN)
    del ready.edge.routes["ten"]
    spans: list[StepSpan] = []
    traced = replace(ready.endpoint, trace=spans.extend)
    refusal(traced.reply(event("chain", document((1, 2)))), 500)
    assert [span.step for span in spans] == ["first", "second"]


def test_server_timing_has_a_part_for_each_step(ready: Bench) -> None:
    publish_pipeline(ready.edge, CHAIN)
    parts = r"load;dur=[\d.]+, infer;dur=[\d.]+, step-first;dur=[\d.]+, step-second;dur=[\d.]+"
    assert re.fullmatch(parts, ask(ready)["headers"]["server-timing"])
    assert re.fullmatch(parts.partition(", ")[2], ask(ready)["headers"]["server-timing"])


def test_a_step_follows_the_stable_version_of_its_model(ready: Bench) -> None:
    publish_pipeline(ready.edge, CHAIN)
    pinned = CHAIN.replace("chain", "pinned").replace("model: ten", "model: ten, version: '1'")
    publish_pipeline(ready.edge, pinned)
    ask(ready), ask(ready, "pinned")
    ready.edge.publish("ten", "2", plus(20), TWO_COLUMNS)
    assert outputs(ask(ready))["total"] == [12, 13], "the route is remembered for five seconds"
    ready.clock.seconds += 6
    reply = ask(ready)
    assert outputs(reply)["total"] == [22, 23]
    assert reply["headers"]["serval-step-versions"] == "first=1, second=2"
    assert outputs(ask(ready, "pinned"))["total"] == [12, 13]


def test_a_canary_of_a_pipeline_gets_its_share(ready: Bench) -> None:
    publish_pipeline(ready.edge, CHAIN)
    publish_pipeline(ready.edge, CHAIN.replace("total: second.y", "total: first.y"), "2")
    ready.edge.routes["chain"] = Route("1", "2", 100, "r")
    assert outputs(ask(ready))["total"] == [2, 3]
    ready.edge.routes["chain"] = Route("1", "2", 0, "r")
    ready.clock.seconds += 6
    assert outputs(ask(ready))["total"] == [12, 13]


def test_a_candidate_whose_step_fails_is_answered_for_by_the_stable_version(ready: Bench) -> None:
    publish_pipeline(ready.edge, CHAIN)
    ready.edge.publish("gone", "1", plus(5), TWO_COLUMNS)
    publish_pipeline(ready.edge, CHAIN.replace("model: ten", "model: gone"), "2")
    del ready.edge.routes["gone"]
    ready.edge.routes["chain"] = Route("1", "2", 100, "r")
    assert outputs(ask(ready))["total"] == [12, 13]
    assert "step 'second': model 'gone' is not registered" in ready.log[-1]


def test_a_model_that_is_gone_fails_its_step_by_name(ready: Bench) -> None:
    publish_pipeline(ready.edge, CHAIN)
    del ready.edge.routes["ten"]
    said = refusal(ask(ready), 500)
    assert said.startswith("model 'chain' version '1' failed: step 'second': model 'ten' is not")


def test_a_model_whose_signature_has_changed_fails_its_step_by_name(ready: Bench) -> None:
    publish_pipeline(ready.edge, CHAIN)
    ready.edge.publish("ten", "2", identity("INT64", [-1, 2]), signature("INT64", [-1, 2]))
    assert "step 'second': tensor 'x': datatype FP32 given, INT64 expected" in refusal(
        ask(ready), 500
    )


FRAGILE = """
name: fragile
inputs: [{name: text, datatype: BYTES, shape: [1]}]
steps:
  - {name: mood, model: sentiment, on_error: {MORE}}
  - {name: other, rule: '[{"label": "NONE", "score": 0}]'}
output: mood
"""


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("value: unknown", "unknown"),
        ("value: null", None),
        ("step: other", [{"label": "NONE", "score": 0}]),
    ],
)
def test_something_stands_in_for_a_step_that_fails(ready: Bench, more: str, expected: Any) -> None:
    publish_pipeline(ready.edge, FRAGILE.replace("MORE", more))
    assert answer_list(say(ready, "fragile", "good"))[0]["label"] == "POSITIVE"
    del ready.edge.routes["sentiment"]
    ready.clock.seconds += 6
    assert answer_list(say(ready, "fragile", "good")) == expected


def test_a_step_is_skipped_unless_its_condition_is_true(ready: Bench) -> None:
    text = (
        MOOD.replace("{name: mood, ", "{name: mood, when: 'text != \"\"', ")
        .replace('"sure": mood[0].score > 0.6', '"asked": $exists(mood)')
        .replace("$lowercase(mood[0].label)", "mood[0].label")
    )
    publish_pipeline(ready.edge, text)
    assert answer(say(ready, "mood", "bad")) == {"mood": "NEGATIVE", "asked": True}
    assert answer(say(ready, "mood", "")) == {"asked": False}


@pytest.mark.parametrize(("when", "given"), [("text", "'bad'"), ("[text = 'bad']", "[true]")])
def test_a_condition_that_is_neither_true_nor_false_is_a_failure(
    ready: Bench, when: str, given: str
) -> None:
    publish_pipeline(ready.edge, MOOD.replace("{name: mood, ", f'{{name: mood, when: "{when}", '))
    said = refusal(say(ready, "mood", "bad"), 500)
    assert said.endswith(f"step 'mood': when: {when!r} gives {given}, no truth value")


def test_a_tensor_of_a_skipped_step_is_missing_by_name(ready: Bench) -> None:
    publish_pipeline(ready.edge, CHAIN.replace("name: first,", "name: first, when: 'x[0][0] > 5',"))
    assert outputs(ask(ready, data=(6, 7)))["total"] == [17, 18]
    assert "step 'second': 'first.y' gives nothing" in refusal(ask(ready), 500)


def test_a_step_over_its_time_fails(ready: Bench) -> None:
    publish_pipeline(ready.edge, CHAIN.replace("model: one}", "model: one, timeout_seconds: 1e-9}"))
    assert re.search(
        r"step 'first': took \d+ ms, at most 1e-09 s allowed", refusal(ask(ready), 500)
    )


def test_the_callers_mistake_is_the_callers_even_in_a_step(ready: Bench) -> None:
    publish_pipeline(ready.edge, MOOD)
    said = refusal(say(ready, "mood", "x" * 500_001), 400)
    assert said.startswith("pipeline 'mood' version '1': step 'mood': text: 500001 bytes")


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"x": [[1, 2]], "z": 1}, "input 'z' is unknown: the pipeline takes x"),
        ({"z": [[1, 2]]}, "input 'z' is unknown: the pipeline takes x"),
        ({}, "input 'x' is missing"),
        ({"x": [[1, 2], [3]]}, "tensor 'x': lists of equal lengths expected"),
        ({"x": [[1, "a"]]}, "tensor 'x': 'a' given, FP32 expected"),
        ([1, 2], "tensor 'x': shape [2] given, [-1, 2] expected (-1: any extent)"),
    ],
)
def test_inputs_that_do_not_fit_are_refused_by_name(ready: Bench, inputs: Any, said: str) -> None:
    publish_pipeline(ready.edge, CHAIN)
    assert refusal(say(ready, "chain", inputs), 400) == said


@pytest.mark.parametrize("body", ["", "[]", "{", '{"inputs": null}', '{"x": [[1, 2]]}', "1", '"a"'])
def test_bodies_that_are_none_are_refused(ready: Bench, body: str) -> None:
    publish_pipeline(ready.edge, CHAIN)
    refusal(ready.endpoint.reply(task_event("chain", body)), 400)


def test_a_step_may_have_been_made_a_pipeline_meanwhile(ready: Bench) -> None:
    publish_pipeline(ready.edge, CHAIN)
    text = CHAIN.replace("chain", "ten").replace("model: ten", "model: one")
    publish_pipeline(ready.edge, text.replace("total: second.y", "y: second.y"), "2")
    assert outputs(ask(ready))["total"] == [4, 5]


def test_empty_parameters_are_none(ready: Bench) -> None:
    publish_pipeline(ready.edge, MOOD)
    empty: list[Any] = [{}, None, {"top_k": None}]
    for parameters in empty:
        body = json.dumps({"inputs": "good good", "parameters": parameters})
        assert answer(ready.endpoint.reply(task_event("mood", body)))["mood"] == "positive"
    for given in ({"top_k": 1}, [1]):
        body = json.dumps({"inputs": "good good", "parameters": given})
        refusal(ready.endpoint.reply(task_event("mood", body)), 400)
