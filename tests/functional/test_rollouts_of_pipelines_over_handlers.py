"""Pipelines over custom Python through the steps of a rollout."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from serval.handlers.signature import HANDLER_SIGNATURE
from tests.fakes.registration import scaling_bundle
from tests.fakes.stage import Stage
from tests.functional.test_pipeline_rollouts import publish

FINDS = """
name: twice
inputs: [{name: x, datatype: FP32, shape: [-1, 3]}]
steps:
  - {name: found, model: shelf, input: {inputs: x}}
output: '{"best": found[0].label}'
"""
BOTH = """
name: twice
golden: golden.jsonl
inputs: [{name: x, datatype: FP32, shape: [-1, 3]}]
steps:
  - {name: once, model: scaling}
  - {name: found, model: shelf, input: {inputs: once.y}}
output: found
"""
LINE = json.dumps({"request": {"inputs": {"x": [[1, 2, 3]]}}, "answer": {"best": "?"}}).encode()


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    made = Stage(tmp_path)
    made.roll_out(made.upload("shelf", "u1", scaling_bundle("shelf")))
    make_handler(made)
    return made


def make_handler(stage: Stage, **change: Any) -> None:
    """Have the model be custom Python."""
    members = {"runtime": "python", "artifact": "handler.py", "signature": HANDLER_SIGNATURE}
    record = replace(stage.registry.version("shelf", "1"), **{**members, **change})
    stage.registry.records["shelf", "1"] = record
    stage.bucket.put("models/shelf/1.json", record.to_json().encode())


def test_a_pipeline_over_a_handler_is_durable(stage: Stage) -> None:
    assert publish(stage, FINDS).status == "promoted"
    assert stage.registry.version("twice", "1").durable


@pytest.mark.parametrize(
    ("artifact", "given"),
    [
        ("handler.py", "{inputs: x, date: '\"today\"'}"),
        ("handler.py", "{body: '\"a text\"', content_type: '\"text/plain\"'}"),
        ("code/inference.py", "{instances: x}"),
    ],
)
def test_the_inputs_of_a_handler_are_members_of_its_body_or_all_of_it(
    stage: Stage, artifact: str, given: str
) -> None:
    make_handler(stage, artifact=artifact)
    outcome = publish(stage, FINDS.replace("{inputs: x}", given))
    assert outcome.status == "promoted", outcome.reason


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (", input: {inputs: x}", "", "'input' is missing: model 'shelf' version 1 (handler.py)"),
        ("{inputs: x}", "{input: x}", "input 'inputs' is not given: model 'shelf' version 1"),
        ("{inputs: x}", "{body: '1', top: x}", "input 'top' is unknown: model 'shelf' version 1"),
        ("{inputs: x}", "{body: x}", ".input.body: 'x' has datatype FP32, BYTES expected"),
        ("x}}", "x}, cache: {ttl_seconds: 9}}", "'cache' is for graphs: what model 'shelf'"),
        ("'{\"best\": found[0].label}'", "{y: found.y}", "output.y: 'found.y' is no tensor"),
    ],
)
def test_what_a_handler_cannot_be_given_is_refused_with_its_place(
    stage: Stage, old: str, new: str, said: str
) -> None:
    assert old in FINDS
    outcome = publish(stage, FINDS.replace(old, new))
    assert (outcome.status, said in outcome.reason) == ("refused", True), outcome.reason


@pytest.mark.parametrize("runtime", ["python", "http"])
def test_the_rollout_notes_that_nobody_asked_the_golden_requests_of_a_pipeline_over_a_handler(
    stage: Stage, runtime: str
) -> None:
    bundle = {"runtime": {"protocol": "http"}, "compute": {"target": "fleet"}}
    make_handler(stage, runtime=runtime, bundle=bundle)
    text = FINDS + "golden: golden.jsonl\n"
    assert publish(stage, text, golden_jsonl=LINE).status == "promoted"
    assert stage.registry.version("twice", "1").measurements["notes"] == [
        "golden requests were not asked: a step asks model 'shelf' version 1, whose handler.py "
        "does not run in the function that asks them"
    ]


def test_a_rollout_notes_the_pipelines_that_it_could_not_ask(stage: Stage) -> None:
    stage.roll_out(stage.upload("scaling", "u1", scaling_bundle()))
    assert publish(stage, BOTH, golden_jsonl=LINE).status == "promoted"
    event = stage.upload("scaling", "u2", scaling_bundle(factor=5.0))
    assert stage.roll_out(event).status == "running"
    notes = stage.registry.rollouts("scaling")[-1].details["golden"]["notes"]
    assert notes[-1].startswith(
        "pipeline 'twice' version 1: golden requests were not asked: a step asks model 'shelf'"
    )
