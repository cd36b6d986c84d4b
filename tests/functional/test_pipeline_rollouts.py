"""Pipelines through the steps of a rollout: what is checked before one becomes a version."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from serval.bundles.uploads import Upload
from serval.models.version import ModelVersion
from serval.tasks.parameters import Parameters
from tests.fakes.executions import Outcome
from tests.fakes.registration import scaling_bundle
from tests.fakes.stage import Stage
from tests.tasks.harness import RECORDED, open_case

TWICE = """
name: twice
inputs: [{name: x, datatype: FP32, shape: [-1, 3]}]
steps:
  - {name: once, model: scaling}
  - {name: again, model: scaling, input: {x: once.y}}
output: {y: again.y}
"""
LARGEST = """
name: twice
golden: golden.jsonl
inputs: [{name: x, datatype: FP32, shape: [-1, 3]}]
steps:
  - {name: once, model: scaling}
  - {name: largest, rule: '{"largest": $max(once.y[0]), "rows": $count(x)}'}
output: largest
"""
LINE = {"request": {"inputs": {"x": [[1, 2, 3]]}}, "answer": {"largest": 6.0, "rows": 1}}


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    made = Stage(tmp_path)
    assert made.roll_out(made.upload("scaling", "u1", scaling_bundle())).status == "promoted"
    return made


def publish(stage: Stage, text: str, upload: str = "u1", **files: bytes) -> Outcome:
    named = {name.replace("_", "."): body for name, body in files.items()}
    event = stage.upload("twice", upload, {"pipeline.yaml": text.encode(), **named})
    return stage.roll_out(event)


def golden_lines(**more: Any) -> bytes:
    return json.dumps(LINE | more).encode()


def test_a_pipeline_becomes_a_version(stage: Stage) -> None:
    assert publish(stage, TWICE).status == "promoted"
    record = stage.registry.version("twice", "1")
    assert record.runtime == "pipeline"
    assert [spec.to_json() for spec in record.signature.outputs] == [
        {"name": "y", "datatype": "FP32", "shape": [-1, 3]}
    ]
    assert ModelVersion.from_json(record.to_json()) == record
    assert stage.published().keys() >= {"models/twice/1/pipeline.yaml"}


def test_its_record_is_what_the_definition_says(stage: Stage) -> None:
    publish(stage, TWICE)
    bundle = stage.registry.version("twice", "1").bundle
    assert bundle["runtime"] == {"kind": "pipeline"}
    assert bundle["steps"][0] == {"name": "once", "model": "scaling"}


def test_golden_requests_run_through_the_steps(stage: Stage) -> None:
    assert publish(stage, LARGEST, golden_jsonl=golden_lines()).status == "promoted"
    wrong = publish(stage, LARGEST, "u2", golden_jsonl=golden_lines(answer={"largest": 7.0}))
    assert wrong.status == "refused"
    assert wrong.reason.startswith("golden.jsonl line 1: answer.largest: 6 given, 7 expected")


def test_the_golden_check_times_each_step(stage: Stage) -> None:
    publish(stage, LARGEST, golden_jsonl=golden_lines())
    measured = stage.registry.version("twice", "1").measurements
    assert measured["steps_p50_ms"].keys() == {"once", "largest"}
    assert sum(measured["steps_p50_ms"].values()) > 0
    assert stage.registry.version("scaling", "1").measurements.keys() == measured.keys() - {
        "steps_p50_ms"
    }


def test_golden_requests_of_tensors_run_too(stage: Stage) -> None:
    def tensor(name: str, *data: float) -> dict[str, Any]:
        return {"name": name, "datatype": "FP32", "shape": [1, 3], "data": data}

    def line(*expected: float) -> bytes:
        request, response = (
            {"inputs": [tensor("x", 1, 2, 3)]},
            {"outputs": [tensor("y", *expected)]},
        )
        return json.dumps({"request": request, "response": response}).encode()

    text = TWICE + "golden: golden.jsonl\n"
    assert publish(stage, text, golden_jsonl=line(4, 8, 12)).status == "promoted"
    assert "line 1: output 'y'" in publish(stage, text, "u2", golden_jsonl=line(4, 8, 13)).reason


def test_a_second_version_goes_through_a_canary(stage: Stage) -> None:
    publish(stage, TWICE)
    text = TWICE.replace("{x: once.y}", "{x: x}")
    assert publish(stage, text, "u2").status == "running"
    route = stage.registry.route("twice")
    assert (route.stable, route.candidate) == ("1", "2")


def test_another_signature_is_refused_as_for_any_model(stage: Stage) -> None:
    publish(stage, TWICE)
    outcome = publish(stage, TWICE.replace("output: {y:", "output: {z:"), "u2")
    assert "version 1 has another signature" in outcome.reason


def test_the_golden_check_asks_the_versions_that_were_checked(stage: Stage) -> None:
    stage.roll_out(stage.upload("scaling", "u2", scaling_bundle(factor=5.0)))
    assert publish(stage, LARGEST, golden_jsonl=golden_lines()).status == "promoted"
    pinned = LARGEST.replace("model: scaling", "model: scaling, version: '2'")
    outcome = publish(stage, pinned, "u2", golden_jsonl=golden_lines())
    assert "15 given, 6 expected" in outcome.reason


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "model: scaling}",
            "model: gone}",
            "steps.0.model: model 'gone' is not registered: `serval models` lists those that are",
        ),
        (
            "model: scaling}",
            "model: scalling}",
            "'scalling' is not registered: `serval models` lists those that are; did you mean "
            "'scaling'?",
        ),
        (
            "model: scaling}",
            "model: scaling, version: '9'}",
            "steps.0.version: model 'scaling' has no version '9': `serval versions scaling`",
        ),
        ("once.y", "once.z", "steps.1.input.x: 'once.z': 'once' has no 'z'; it has y"),
        ("once.y", "twice.y", "steps.1.input.x: 'twice.y': the pipeline has no 'twice'; it has"),
        ("{x: once.y}", "{z: once.y}", "steps.1: input 'z' is unknown: model 'scaling' version 1"),
        ("{x: once.y}", "{x: once}", "steps.1.input.x: 'once' is all of a step: one of its"),
        ("name: x, datatype: FP32", "name: x, datatype: FP64", "has datatype FP64, FP32 expected"),
        ("[-1, 3]", "[-1, 2]", "'x' has shape [-1, 2], [-1, 3] expected (-1: any extent)"),
        ("name: x,", "name: a,", "steps.0: input 'x' of model 'scaling' version 1 is not given"),
        ("{y: again.y}", "{y: again}", "output.y: 'again' is no tensor: the output of a step"),
        ("{y: again.y}", "{y: '[1]'}", "output.y: '[1]' is no tensor: the output of a step"),
        ("{y: again.y}", "{answer: again.y}", "the name 'answer' is that of answers in JSON"),
        ("name: twice", "name: thrice", "name: 'thrice' given, 'twice' expected"),
        ("output: {", "golden: gone.jsonl\noutput: {", "golden: 'gone.jsonl' is not in the bundle"),
    ],
)
def test_what_cannot_work_is_refused_with_its_place(
    stage: Stage, old: str, new: str, said: str
) -> None:
    assert old in TWICE
    outcome = publish(stage, TWICE.replace(old, new))
    assert outcome.status == "refused"
    assert outcome.reason.startswith("pipeline.yaml: ")
    assert said in outcome.reason


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "{x: once.y}",
            "{z: once.y}",
            "steps.1: input 'z' is unknown: model 'scaling' version 1 takes x",
        ),
        ("{y: again.y}", "{y: again.z}", "output.y: 'again.z': 'again' has no 'z'; it has y"),
    ],
)
def test_what_only_follows_from_a_mistake_is_not_another_one(
    stage: Stage, old: str, new: str, said: str
) -> None:
    assert old in TWICE
    assert publish(stage, TWICE.replace(old, new)).reason == f"pipeline.yaml: {said}"


def test_a_pipeline_is_not_said_to_have_meant_itself(stage: Stage) -> None:
    publish(stage, TWICE)
    reason = publish(stage, TWICE.replace("model: scaling}", "model: twise}"), "u2").reason
    assert "model 'twise' is not registered" in reason
    assert "did you mean" not in reason


def move(stage: Stage, **change: Any) -> None:
    """Have the model of the steps run elsewhere."""
    record = replace(stage.registry.version("scaling", "1"), **change)
    stage.registry.records["scaling", "1"] = record
    stage.bucket.put("models/scaling/1.json", record.to_json().encode())


@pytest.mark.parametrize("compute", [{"target": "fleet"}, {"memory_mib": 2048}])
def test_a_pipeline_over_models_that_run_elsewhere_is_durable(
    stage: Stage, compute: dict[str, Any]
) -> None:
    move(stage, bundle={"compute": compute})
    assert publish(stage, TWICE).status == "promoted"
    assert stage.registry.version("twice", "1").durable


def test_a_pipeline_over_models_of_the_shared_function_is_not(stage: Stage) -> None:
    publish(stage, TWICE)
    assert not stage.registry.version("twice", "1").durable


@pytest.mark.parametrize("durable", [False, True])
def test_only_a_durable_pipeline_may_take_longer_than_a_call(stage: Stage, durable: bool) -> None:
    text = TWICE.replace("model: scaling}", "model: scaling, timeout_seconds: 60}", 1)
    outcome = publish(stage, text + f"durable: {str(durable).lower()}\n")
    said = "pipeline.yaml: steps.0.timeout_seconds: 60 given, at most 25 expected; 'durable: true'"
    assert (said in outcome.reason) is not durable


def test_a_name_whose_calls_go_elsewhere_is_refused(tmp_path: Path) -> None:
    made = Stage(tmp_path, {"*": 1024, "twice": 2048})
    made.roll_out(made.upload("scaling", "u1", scaling_bundle()))
    assert "model 'twice' is deployed with a function of its own" in publish(made, TWICE).reason


def test_a_step_that_is_deployed_with_a_function_of_its_own_makes_it_durable(
    tmp_path: Path,
) -> None:
    made = Stage(tmp_path, {"*": 1024, "scaling": 2048})
    made.roll_out(made.upload("scaling", "u1", scaling_bundle()))
    publish(made, TWICE)
    assert made.registry.version("twice", "1").durable


def test_steps_that_do_not_fit_the_shared_function_together_are_refused(tmp_path: Path) -> None:
    made = Stage(tmp_path)
    made.roll_out(made.upload("scaling", "u1", scaling_bundle()))
    record = made.registry.version("scaling", "1")
    large = replace(record, files=tuple(replace(f, size_bytes=2**30) for f in record.files))
    made.bucket.put("models/scaling/1.json", large.to_json().encode())
    reason = publish(made, TWICE).reason
    assert "the steps load 1073741824 bytes of artifacts" in reason
    assert "the shared function has 1024" in reason


def test_a_model_and_a_pipeline_in_one_bundle_are_refused(stage: Stage) -> None:
    outcome = publish(stage, TWICE, model_yaml=b"name: twice")
    assert "a bundle has one of model.yaml and pipeline.yaml, both given" in outcome.reason


def test_uploads_without_a_pipeline_are_handed_on_as_before(stage: Stage) -> None:
    event = stage.upload("plain", "u", scaling_bundle("plain"))
    upload = stage.claim.claim(event, "owner")["upload"]
    assert upload.keys() == {"model", "rollout", "files"}
    assert Upload.from_json(upload).used == ()


OF_A_TASK = """
name: twice
task: text-classification
golden: golden.jsonl
steps: [{name: once, model: scaling, input: {x: '[[$length(text), 2, 3]]'}}]
output: '{"label": text, "score": once.y[0][0]}'
"""


def test_golden_requests_of_a_task_are_in_its_words(stage: Stage) -> None:
    def lines(score: float, **more: Any) -> bytes:
        request = {"inputs": "five!", **more}
        return json.dumps(
            {"request": request, "answer": [[{"label": "five!", "score": score}]]}
        ).encode()

    assert publish(stage, OF_A_TASK, golden_jsonl=lines(10.0)).status == "promoted"
    record = stage.registry.version("twice", "1")
    assert record.task == "text-classification"
    assert record.measurements["steps_p50_ms"].keys() == {"once"}
    assert ModelVersion.from_json(record.to_json()) == record
    reason = publish(stage, OF_A_TASK, "u2", golden_jsonl=lines(11.0)).reason
    assert reason.startswith("golden.jsonl line 1: answer[0][0].score: 10 given, 11 expected")
    unknown = publish(stage, OF_A_TASK, "u3", golden_jsonl=lines(10.0, tokens=3)).reason
    assert "golden.jsonl line 1: parameter 'tokens': 3 given" in unknown
    other = OF_A_TASK.replace('"label": text', '"label": $lookup({"a": 1}, "a")')
    reason = publish(stage, other, "u4", golden_jsonl=lines(10.0)).reason
    assert "line 1: model 'twice' version 'candidate' failed: output: [0].label: 1 given" in reason


WRITES = """
name: twice
task: text-generation
golden: golden.jsonl
steps:
  - {name: opening, rule: '"A story: " & text'}
  - {name: told, model: gpt, input: {text: opening}}
output: told
"""
GPT = RECORDED / "gpt2" / "bundle"


@pytest.fixture
def writing(stage: Stage) -> Stage:
    """A stage that has a model of text-generation, too."""
    files = {path.name: path.read_bytes() for path in GPT.iterdir()}
    yaml = b"name: gpt\ntask: text-generation\nartifact: model.onnx\n"
    outcome = stage.roll_out(stage.upload("gpt", "u1", {**files, "model.yaml": yaml}))
    assert outcome.status == "promoted", outcome.reason
    return stage


def test_golden_requests_of_a_pipeline_that_writes_are_asked(writing: Stage) -> None:
    def lines(text: str) -> bytes:
        asked = {"inputs": "dogs", "parameters": {"max_new_tokens": 3}}
        return json.dumps({"request": asked, "answer": [{"generated_text": text}]}).encode()

    reason = publish(writing, WRITES, golden_jsonl=lines("?")).reason
    assert reason.startswith("golden.jsonl line 1: answer[0].generated_text: ")
    task = open_case("gpt2")
    [expected] = task.answer(["A story: dogs"], Parameters({"max_new_tokens": 3}))
    text = expected["generated_text"]
    assert publish(writing, WRITES, "u2", golden_jsonl=lines(text)).status == "promoted"
    record = writing.registry.version("twice", "1")
    assert (record.task, record.durable) == ("text-generation", False)
    assert record.measurements["steps_p50_ms"].keys() == {"opening", "told"}


@pytest.mark.parametrize(
    ("compute", "more", "why"),
    [
        ({}, "durable: true\n", "'durable: true' is given"),
        ({"target": "fleet"}, "", "the shared function cannot run 'gpt'"),
        ({"memory_mib": 2048}, "", "the shared function cannot run 'gpt'"),
    ],
)
def test_a_durable_pipeline_that_writes_is_refused(
    writing: Stage, compute: dict[str, Any], more: str, why: str
) -> None:
    record = writing.registry.version("gpt", "1")
    record = replace(record, bundle={**record.bundle, "compute": compute})
    writing.registry.records["gpt", "1"] = record
    writing.bucket.put("models/gpt/1.json", record.to_json().encode())
    outcome = publish(writing, WRITES.replace("golden: golden.jsonl\n", more))
    assert outcome.status == "refused"
    said = f"pipeline.yaml: task: {why}, and durable pipelines of text-generation are not built"
    assert said in outcome.reason
