"""Pipelines whose steps are pipelines: what they answer, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.executions import Outcome
from tests.fakes.inference import Bench, answer, refusal, task_event
from tests.fakes.pipelines import publish_pipeline, ready_bench
from tests.fakes.registration import scaling_bundle
from tests.fakes.stage import Stage

HEAD = "inputs: [{name: x, datatype: FP32, shape: [-1, 2]}]\nsteps:\n"
TWICE = f"""name: twice
{HEAD}  - {{name: a, model: one}}
  - {{name: b, model: one, input: {{x: a.y}}}}"""
LARGEST = f"name: largest\n{HEAD}  - {{name: a, rule: '{{\"of\": $max(x[0])}}'}}\noutput: a"


@pytest.fixture
def ready(tmp_path: Path) -> Bench:
    made = ready_bench(tmp_path)
    publish_pipeline(made.edge, f"{TWICE}\noutput: {{y: b.y}}")
    publish_pipeline(made.edge, LARGEST)
    return made


def say(ready: Bench, name: str, inputs: Any = ((1, 2),)) -> dict[str, Any]:
    body = json.dumps({"inputs": {"x": inputs}})
    return ready.endpoint.reply(task_event(name, body, content_type="application/json"))


def test_a_step_may_be_a_pipeline(ready: Bench) -> None:
    steps = "  - {name: a, model: twice}\n  - {name: b, model: largest, input: {x: a.y}}\n"
    publish_pipeline(ready.edge, f"name: outer\n{HEAD}{steps}output: b.of")
    reply = say(ready, "outer")
    assert json.loads(reply["body"]) == 4
    assert "step-a;dur=" in reply["headers"]["server-timing"]


def test_tensors_go_through_a_pipeline_within(ready: Bench) -> None:
    publish_pipeline(
        ready.edge, f"name: outer\n{HEAD}  - {{name: a, model: twice}}\noutput: {{y: a.y}}"
    )
    assert answer(say(ready, "outer"))["outputs"][0]["data"] == [3, 4]


def test_a_pipeline_is_done_for_each_item(ready: Bench) -> None:
    step = "  - {name: a, map: x, item: row, model: largest, input: {x: '[[row]]'}}\n"
    publish_pipeline(ready.edge, f"name: outer\n{HEAD}{step}output: a.of")
    assert json.loads(say(ready, "outer", [[1, 2], [7, 3]])["body"]) == [2, 7]


def test_a_failure_names_the_steps_of_both(ready: Bench) -> None:
    publish_pipeline(
        ready.edge, f"name: outer\n{HEAD}  - {{name: out, model: twice}}\noutput: {{y: out.y}}"
    )
    del ready.edge.routes["one"]
    said = refusal(say(ready, "outer"), 500)
    assert said.startswith(
        "model 'outer' version '1' failed: step 'out': model 'twice' version '1' failed: step 'a': "
    )


def test_a_circle_that_was_made_meanwhile_fails_and_names_it(ready: Bench) -> None:
    publish_pipeline(ready.edge, f"name: outer\n{HEAD}  - {{name: a, model: twice}}\noutput: a")
    text = TWICE.replace("model: one, input", "model: outer, input") + "\noutput: {y: b.y}"
    publish_pipeline(ready.edge, text, "2")
    ready.clock.seconds += 6
    assert "pipeline 'outer' calls itself" in refusal(say(ready, "outer"), 500)
    assert "pipeline 'outer' calls itself" in refusal(say(ready, "outer"), 500), "nor later"


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    made = Stage(tmp_path)
    assert made.roll_out(made.upload("scaling", "u1", scaling_bundle())).status == "promoted"
    return made


def push(stage: Stage, name: str, model: str, *, golden: float | None = None) -> Outcome:
    text = (
        f"name: {name}\ninputs: [{{name: x, datatype: FP32, shape: [-1, 3]}}]\n"
        f"steps:\n  - {{name: a, model: {model}}}\noutput: {{y: a.y}}\n"
    )
    files = {"pipeline.yaml": text.encode()}
    if golden is not None:
        request = {"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 1, 1]}
        response = {**request, "name": "y", "data": [golden] * 3}
        line = {"request": {"inputs": [request]}, "response": {"outputs": [response]}}
        files |= {"golden.jsonl": json.dumps(line).encode()}
        files["pipeline.yaml"] += b"golden: golden.jsonl\n"
    number = len(stage.registry.rollouts(name)) + 1
    return stage.roll_out(stage.upload(name, f"u{number}", files))


def test_golden_requests_run_through_pipelines_within(stage: Stage) -> None:
    assert push(stage, "inner", "scaling").status == "promoted"
    assert push(stage, "outer", "inner", golden=2).status == "promoted"
    assert "golden.jsonl line 1" in push(stage, "outer", "inner", golden=3).reason


def test_circles_are_refused_with_their_place(stage: Stage) -> None:
    push(stage, "inner", "scaling")
    push(stage, "outer", "inner")
    assert push(stage, "inner", "outer").reason == (
        "pipeline.yaml: steps.0.model: 'inner' would call itself: inner → outer → inner"
    )
    assert "'inner' would call itself: inner → inner" in push(stage, "inner", "inner").reason


def test_the_sixth_pipeline_within_another_is_refused(stage: Stage) -> None:
    for number, model in enumerate(["scaling", "p0", "p1", "p2", "p3"]):
        assert push(stage, f"p{number}", model).status == "promoted"
    assert push(stage, "p5", "p4").reason == (
        "pipeline.yaml: steps.0.model: at most 5 pipelines may call each other: "
        "p5 → p4 → p3 → p2 → p1 → p0"
    )


def scale(stage: Stage, factor: float) -> Outcome:
    number = len(stage.registry.rollouts("scaling")) + 1
    event = stage.upload("scaling", f"u{number}", scaling_bundle(factor=factor))
    return stage.roll_out(event)


def test_a_model_that_would_break_a_pipeline_is_refused_and_names_it(stage: Stage) -> None:
    push(stage, "inner", "scaling")
    push(stage, "outer", "inner", golden=2)
    outcome = scale(stage, 3.0)
    assert outcome.status == "refused"
    assert outcome.reason.startswith(
        "pipeline 'outer' version 1, which asks 'scaling', would break: golden.jsonl line 1: "
        "output 'y'"
    )
    assert "(have its step ask a version by its number" in outcome.reason


def test_a_pipeline_that_pins_a_model_is_not_asked(stage: Stage) -> None:
    assert push(stage, "pins", "scaling, version: '1'", golden=2).status == "promoted"
    assert scale(stage, 3.0).status == "running"


def test_a_pipeline_that_is_broken_already_is_noted_and_breaks_no_rollout(stage: Stage) -> None:
    push(stage, "outer", "scaling", golden=2)
    golden = stage.bucket.objects["models/outer/1/golden.jsonl"]
    golden[-1] = golden[-1][::-1]
    assert scale(stage, 3.0).status == "running"
    report = stage.registry.rollouts("scaling")[-1].details["golden"]
    assert any(
        note.startswith("pipeline 'outer' version 1 fails its golden requests without this version")
        for note in report["notes"]
    )
