"""Durable pipelines that stand for a model of a task: called, asked by steps, and in batch jobs."""

import json
from pathlib import Path
from typing import Any

import pytest

from serval.bootstrap.pipelines import pipeline_opening
from tests.fakes.durable import DurableStage
from tests.fakes.fleet_calls import Fleet
from tests.fakes.inference import refusal, task_event
from tests.fakes.pipelines import publish_pipeline, ready_bench
from tests.fakes.submission import call
from tests.fakes.submission import refusal as refusal_of_wait
from tests.functional.test_durable_jobs import Jobs

SCORED = """
name: chain
task: text-classification
durable: true
steps:
  - {name: heavy, model: textgen, input: {x: '[[$length(text), parameters.top_k ? 1 : 0]]'}}
output: '{"label": text, "score": heavy.y[0][0] + heavy.y[0][1]}'
"""


def texts(*data: str, **parameters: Any) -> bytes:
    inputs = [{"name": "text", "datatype": "BYTES", "shape": [len(data)], "data": data}]
    if parameters:
        said = {"name": "parameters", "datatype": "BYTES", "shape": [1]}
        inputs.append({**said, "data": [json.dumps(parameters)]})
    return json.dumps({"inputs": inputs}).encode()


@pytest.fixture
def stage(tmp_path: Path) -> DurableStage:
    return DurableStage(tmp_path)


def ask(stage: DurableStage, text: str, payload: bytes) -> None:
    publish_pipeline(stage.world.registry, text)
    stage.world.submit("r1", model="chain", payload=payload)
    stage.finish("chain")


def test_a_request_is_answered_in_the_words_of_the_task(stage: DurableStage) -> None:
    ask(stage, SCORED, texts("four", top_k=1))
    [found] = stage.world.result("r1")
    assert json.loads(found) == [{"label": "four", "score": 205}]


def test_an_answer_that_is_not_the_task_s_ends_the_request(stage: DurableStage) -> None:
    ask(stage, SCORED.replace('"label": text', '"label": heavy.y[0][0]'), texts("four"))
    row = stage.world.row("r1")
    said = "model 'chain' version '1' failed: output: [0].label: 104.0 given, a text expected"
    assert (row.status, row.error) == ("failed", said)


def test_several_inputs_of_an_upload_end_the_request_at_once(stage: DurableStage) -> None:
    ask(stage, SCORED, texts("one", "two"))
    row = stage.world.row("r1")
    assert (row.status, row.attempts) == ("failed", 1)
    assert row.error == "text: 2 inputs given, and a run has one: one expected"
    assert ["step" in event for event in stage.events] == [False, True, False], "no call failed"


def test_it_works_as_a_step_like_its_model(stage: DurableStage) -> None:
    publish_pipeline(stage.world.registry, SCORED.replace("name: chain", "name: inner"))
    outer = """
name: chain
task: text-classification
steps: [{name: inside, model: inner}]
durable: true
output: inside
"""
    ask(stage, outer, texts("four"))
    [found] = stage.world.result("r1")
    assert json.loads(found) == [{"label": "four", "score": 204}]


def test_rows_of_a_batch_job_are_requests_and_answers_of_the_task(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path, SCORED.replace("name: chain", "name: adding"))
    job = jobs.stage.run(jobs.stage.upload("texts.csv", b"text\none\nthree\n", {}))
    assert (job.status, job.error) == ("succeeded", None)
    assert [json.loads(line) for line in jobs.stage.output(job, "output.jsonl").splitlines()] == [
        {"answers": [{"label": "one", "score": 203}]},
        {"answers": [{"label": "three", "score": 205}]},
    ]
    assert jobs.requests() == {"adding": 2, "textgen": 2}


@pytest.fixture
def waiting(tmp_path: Path) -> Fleet:
    """Callers of a durable pipeline, whose name is that of the model that these usually call."""
    fleet = Fleet(tmp_path)
    fleet.registry.add("textgen", "1", 1.0)
    text = SCORED.replace("name: chain", "name: outer")
    record = publish_pipeline(fleet.registry, text)
    fleet.registry.records["textgen", "1"] = record
    return fleet


def test_a_call_waits_for_its_request_and_has_the_task_s_answer(waiting: Fleet) -> None:
    bench, answer = waiting.bench, json.dumps([{"label": "POSITIVE", "score": 1.0}])
    output = {"name": "answers", "datatype": "BYTES", "shape": [1], "data": [answer]}
    result = json.dumps({"outputs": [output]}).encode()
    bench.time.meanwhile = lambda: bench.succeed(bench.row.id, result, None)
    reply = waiting.post({"inputs": "good", "parameters": {"top_k": 1}})
    assert reply["statusCode"] == 200, reply
    assert json.loads(reply["body"]) == [json.loads(answer)]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"inputs": ["good", "bad"]}, "2 inputs given, and pipeline 'outer' is durable: one exp"),
        ({"inputs": "good", "top_k": 0}, "an integer from 1 to"),
        ({"inputs": "good", "tokens": 0}, "parameter 'tokens': 0"),
    ],
)
def test_a_wrong_call_becomes_no_request(waiting: Fleet, body: Any, said: str) -> None:
    assert said in refusal_of_wait(waiting.post(body), 400)
    assert waiting.bench.store.rows == {}


def test_openai_s_clients_are_told_how_it_answers(waiting: Fleet) -> None:
    body = {"model": "textgen", "prompt": "x"}
    reply = waiting.bench.wait.reply(call("wait", "/models/textgen/v1/completions", body))
    assert (
        "is a pipeline that writes no text, so it has no answers of OpenAI's API" in reply["body"]
    )


def test_a_function_that_hands_no_calls_over_refuses_it(tmp_path: Path) -> None:
    ready = ready_bench(tmp_path)
    ready.endpoint.inference.loaded.compose = pipeline_opening(ready.edge.route)
    text = "name: mood\ntask: text-classification\ndurable: true\noutput: read\n"
    publish_pipeline(ready.edge, f"{text}steps: [{{name: read, model: sentiment}}]\n")
    sent = task_event("mood", '{"inputs": "good"}', content_type="application/json")
    assert "version '1' is durable: it has calls" in refusal(ready.endpoint.reply(sent), 400)


SPOKEN = """
name: chain
task: {name: text-to-speech, sampling_rate: 8000}
durable: true
steps: [{name: heavy, model: textgen, input: {x: '[[$length(text) / 10 - 100, 3]]'}}]
output: {waveform: heavy.y}
"""


def test_speech_is_a_waveform_or_the_file_whichever_is_named(stage: DurableStage) -> None:
    ask(stage, SPOKEN, texts("four"))
    assert stage.world.result("r1") == pytest.approx([0.4, 103], abs=1e-4)
    payload = json.loads(texts("four", format="flac"))
    payload["outputs"] = [{"name": "answers", "parameters": {"binary_data": True}}]
    stage.world.submit("r2", model="chain", payload=json.dumps(payload).encode())
    stage.finish("chain")
    row = stage.world.row("r2")
    assert row.response_key is not None, row.error
    body = stage.world.payloads.objects[row.response_key]
    head, file = body[: row.response_header_length], body[row.response_header_length :]
    assert [each["name"] for each in json.loads(head)["outputs"]] == ["answers"]
    assert file[4:8] == b"fLaC"
