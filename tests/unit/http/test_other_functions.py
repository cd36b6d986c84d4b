"""Calls of models with a function of their own that reach the function that all models share."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from serval.bootstrap.pipelines import pipeline_opening
from serval.errors import ServiceUnavailable
from tests.fakes.inference import Bench, answer, document, event, refusal, task_event
from tests.fakes.pipelines import publish_pipeline

REPLY = {"statusCode": 200, "headers": {"serval-model-version": "2"}, "body": "its own answer"}


@dataclass
class Own:
    """``OtherFunctions`` of one model."""

    names: Mapping[str, str] = field(default_factory=lambda: {"adder": "infer-adder"})
    asked: list[Mapping[str, Any]] = field(default_factory=list)
    fails: bool = False

    def ask(self, model: str, event: Mapping[str, Any]) -> dict[str, Any]:
        if self.fails:
            raise ServiceUnavailable(f"the function of {model!r} did not answer")
        self.asked.append(event)
        return REPLY


def test_its_own_function_gets_the_call_as_it_came(ready: Bench) -> None:
    own = Own()
    shared = replace(ready.endpoint, others=own)
    called = task_event("adder", '{"inputs": "text"}', version="2")
    assert shared.reply(called) == REPLY
    assert own.asked == [called]
    assert "artifact" not in ready.edge.reads


def test_a_body_may_name_the_model_that_has_one(ready: Bench) -> None:
    own = Own()
    shared = replace(ready.endpoint, others=own)
    called = event("", json.dumps({"model": "adder", "messages": []}))
    called |= {"rawPath": "/v1/chat/completions", "pathParameters": None}
    assert shared.reply(called) == REPLY
    assert own.asked == [called]


def test_a_model_without_one_is_answered_here(ready: Bench) -> None:
    shared = replace(ready.endpoint, others=Own({"other": "infer-other"}))
    assert answer(shared.reply(event("adder", document())))["model_name"] == "adder"


def test_a_stranger_is_refused_before_it_is_asked(ready: Bench) -> None:
    own = Own()
    shared = replace(ready.endpoint, others=own)
    called = task_event("adder", "text", version="2", x_api_key="srv_bad")
    assert "unknown or revoked" in refusal(shared.reply(called), 401)
    assert own.asked == []


def test_a_function_that_does_not_answer_is_a_503(ready: Bench) -> None:
    shared = replace(ready.endpoint, others=Own(fails=True))
    said = refusal(shared.reply(task_event("adder", "text", version="2")), 503)
    assert said == "the function of 'adder' did not answer"


DURABLE = """
name: durable
durable: true
inputs: [{name: x, datatype: FP32, shape: [-1, 2]}]
steps: [{name: first, model: adder}]
output: {y: first.y}
"""


def test_a_call_of_a_durable_pipeline_goes_to_what_waits_for_its_request(ready: Bench) -> None:
    loaded = ready.endpoint.inference.loaded
    loaded.compose = pipeline_opening(ready.edge.route)
    publish_pipeline(ready.edge, DURABLE)
    waiting = Own({})
    shared = replace(ready.endpoint, others=waiting)
    called = event("durable", document())
    assert shared.reply(called) == REPLY
    assert waiting.asked == [called]
    assert ready.printed == [], "who answers it counts it"


def test_a_function_that_hands_no_calls_over_refuses_a_durable_pipeline(ready: Bench) -> None:
    ready.endpoint.inference.loaded.compose = pipeline_opening(ready.edge.route)
    publish_pipeline(ready.edge, DURABLE)
    said = "pipeline 'durable' version '1' is durable: it has calls and async requests, as POST"
    assert said in refusal(ready.endpoint.reply(event("durable", document())), 400)
