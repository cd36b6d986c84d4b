"""Durable pipelines on a stage: steps on a fleet, and what callers see."""

import json
from typing import Any

import pytest

from tests.fakes.inference import plus
from tests.local.batch_caller import BatchCaller
from tests.local.conftest import LocalStage
from tests.local.fleet_caller import Caller, asked

PIPELINE = """
name: {name}
inputs: [{{name: x, datatype: FP32, shape: [-1, 2]}}]
steps:
  - {{name: first, model: adds-two}}
  - {{name: heavy, model: {heavy}, input: {{x: first.y}}}}
  - {{name: told, rule: '{{"sum": $sum(heavy.y[0]), "rows": $count(x)}}'}}
output: told
rollout: {{steps_percent: [100], bake_seconds: 0}}
"""
ANSWER = {"sum": 2 * (1 + 2) + 1 + 2 * (2 + 2) + 1, "rows": 1}


@pytest.fixture(scope="module", autouse=True)
def pipelines(stage: LocalStage, caller: Caller) -> None:
    """Publish a model on Lambda, and pipelines over it and models on fleets."""
    stage.publish("adds-two", plus(2), "FP32")
    hasty = "drowsy, timeout_seconds: 0.1"  # whose fleet sleeps
    for name, heavy in (("mixed", "light"), ("hasty", hasty)):
        folder = stage.state / "bundles" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "pipeline.yaml").write_text(PIPELINE.format(name=name, heavy=heavy))
        stage.serval("push", str(folder), "--wait")


@pytest.fixture(autouse=True)
def awake(caller: Caller) -> None:
    caller.ready("pair", workers=2)


def answer_of(document: dict[str, Any]) -> Any:
    assert document["status"] == "succeeded", document
    [output] = document["response"]["outputs"]
    return json.loads(output["data"][0])


def test_an_async_request_runs_its_steps_on_lambda_and_on_a_fleet(caller: Caller) -> None:
    ended = caller.ended(caller.submitted("mixed", asked(1, 2)))
    assert answer_of(ended) == ANSWER
    steps = {step["name"]: step for step in ended["steps"]}
    assert list(steps) == ["first", "heavy", "told"]
    assert {step["status"] for step in steps.values()} == {"succeeded"}
    assert caller.client.get(steps["told"]["value_url"]).json() == ANSWER


def test_a_call_waits_for_it_as_for_a_model_on_a_fleet(caller: Caller) -> None:
    reply = caller.client.post("/models/mixed", json={"inputs": {"x": [[1, 2]]}})
    assert reply.status_code == 200, reply.text
    assert reply.json() == ANSWER
    reply = caller.client.post("/v2/models/mixed/infer", json=asked(1, 2))
    assert reply.status_code == 200, reply.text
    assert reply.headers["serval-model-version"] == "1"


def test_a_batch_job_asks_it_for_each_row(stage: LocalStage, caller: Caller) -> None:
    batch = BatchCaller(stage, caller.client)
    rows = batch.put("batch/mixed/src/rows.csv", b"x_0,x_1\n1,2\n3,4\n")
    ended = batch.succeeded(batch.start("mixed", rows))
    assert ended["rows"] == 2
    assert batch.answers(ended) == [ANSWER, ANSWER | {"sum": ANSWER["sum"] + 8}]


def test_a_step_that_takes_too_long_ends_its_request(caller: Caller) -> None:
    ended = caller.ended(caller.submitted("hasty", asked(1, 2)))
    assert ended["status"] == "failed"
    assert "step 'heavy': took longer than 0.1 s" in ended["error"]
    assert [step["status"] for step in ended["steps"]] == ["succeeded", "failed"]
