"""Pipelines on a stage: pushed, called by V2 and in their own words, following their models."""

import io
import json
import shutil
import subprocess
import sys
import time
import wave
from base64 import b64decode
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from huggingface_hub import InferenceClient

from serval.client import Client
from serval.models.route import ROUTE_SECONDS
from tests.fakes.inference import plus
from tests.local.batch_caller import BatchCaller
from tests.local.conftest import LocalStage
from tests.local.fleet_caller import until
from tests.local.real_clients import hold_conversation
from tests.local.test_tasks import CHATS, RECORDED

CHAIN = """
name: {name}
inputs: [{{name: x, datatype: FP32, shape: [-1, 2]}}]
steps:
  - {{name: first, model: adds-one}}
  - {{name: second, model: adds-ten{pin}, input: {{x: first.y}}}}
output: {output}
golden: golden.jsonl
rollout: {{steps_percent: [100], bake_seconds: 0}}
"""
SUM = '\'{"sum": $sum(second.y[0]), "rows": $count(x)}\''
POST = """
name: post
inputs:
  - {name: image, datatype: BYTES, shape: [1]}
  - {name: title, datatype: BYTES, shape: [1]}
steps:
  - {name: picture, model: gate}
  - {name: said, model: reviews, input: {text: title}}
output: '{"title": title, "show": picture[0].label = "shown" and said[0].label = "positive"}'
"""
TELLER = """
name: teller
task: text-generation
steps:
  - {name: prompt, rule: '"A tale: " & text'}
  - {name: tale, model: writer, input: {text: prompt}}
output: tale
"""
BUILT = ("gate", "catalogue", "cascade", "spoken", "topics")
PARTS = (
    *("cascade/large", "catalogue/keywords", "spoken/spectrogram", "spoken/vocoder"),
    *("topics/encoder", "topics/linear", "topics/trees"),
)
CLASSIFIERS = {
    "gate": "image_classification",
    "topics": "text_classification",
    "cascade": "text_classification",
}
"""Example → the method of Hugging Face's client that asks it."""
TAKES = {"gate": "image", "catalogue": "image", "topics": "text", "cascade": "text"}
ROWS = b"x_0,x_1\n1,2\n3,4\n"
ROOT = Path(__file__).parents[2]
LINE = {"request": {"inputs": {"x": [[1, 2]]}}, "answer": {"sum": 25.0, "rows": 1}}


@pytest.fixture(scope="module")
def client(stage: LocalStage) -> Any:
    headers = {"x-api-key": stage.api_key}
    with httpx.Client(base_url=stage.api_url, headers=headers, timeout=300) as made:
        yield made


@pytest.fixture(scope="module")
def pipelines(stage: LocalStage) -> None:
    """Publish two models, and two pipelines over them: one follows, one pins."""
    stage.publish("adds-one", plus(1), "FP32")
    stage.publish("adds-ten", plus(10), "FP32")
    push(stage, "follows", SUM)
    push(stage, "pinned", SUM, ", version: '1'")


def push(stage: LocalStage, name: str, output: str, pin: str = "", *more: str) -> dict[str, Any]:
    folder = stage.state / "bundles" / name
    folder.mkdir(parents=True, exist_ok=True)
    text = CHAIN.format(name=name, output=output, pin=pin)
    if "version" not in pin:  # a new version of its model is to change what it answers
        text = text.replace("golden: golden.jsonl\n", "")
    (folder / "pipeline.yaml").write_text(text)
    (folder / "golden.jsonl").write_text(json.dumps(LINE))
    found: dict[str, Any] = json.loads(stage.serval("push", str(folder), "--wait", "--json", *more))
    return found


def answers(client: httpx.Client, name: str) -> Any:
    reply = client.post(f"/models/{name}", json={"inputs": {"x": [[1, 2]]}})
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_a_pipeline_answers_in_its_own_words_and_by_v2(
    client: httpx.Client, pipelines: None
) -> None:
    assert answers(client, "follows") == {"sum": 25, "rows": 1}
    item = {"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}
    reply = client.post("/v2/models/follows/infer", json={"inputs": [item]})
    (output,) = reply.json()["outputs"]
    assert (output["name"], output["datatype"]) == ("answer", "BYTES")
    assert json.loads(output["data"][0]) == {"sum": 25, "rows": 1}
    assert reply.headers["serval-model-version"] == "1"
    assert "step-first;dur=" in reply.headers["server-timing"]


def test_a_pipeline_is_described_as_any_model(client: httpx.Client, pipelines: None) -> None:
    described = client.get("/v2/models/follows").json()
    assert described["platform"] == "pipeline"
    assert [step["name"] for step in described["steps"]] == ["first", "second"]
    assert client.get("/v2/models/pinned").json()["steps"][1]["version"] == "1"


def test_the_command_line_calls_and_shows_a_pipeline(
    stage: LocalStage, pipelines: None, tmp_path: Path
) -> None:
    (tmp_path / "in.json").write_text("[[1, 2]]")
    assert "25" in stage.serval("infer", "follows", str(tmp_path / "in.json"))
    assert "first: model adds-one" in stage.serval("pipeline", "show", "follows")


def test_a_step_does_not_run_again_for_what_it_has_answered(
    client: httpx.Client, stage: LocalStage, pipelines: None
) -> None:
    push(stage, "remembers", SUM, ", cache: {ttl_seconds: 600}")
    assert ask_with_cache(client, [1, 2]) == (25, "second=miss")
    assert ask_with_cache(client, [1, 2]) == (25, "second=hit")
    assert ask_with_cache(client, [2, 2]) == (26, "second=miss")


def ask_with_cache(client: httpx.Client, row: list[int]) -> tuple[Any, str]:
    reply = client.post("/models/remembers", json={"inputs": {"x": [row]}})
    assert reply.status_code == 200, reply.text
    return reply.json()["sum"], reply.headers["serval-cache"]


def test_large_answers_of_a_model_are_kept_too(client: httpx.Client, stage: LocalStage) -> None:
    folder = stage.state / "bundles" / "remembered"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(plus(1))
    (folder / "model.yaml").write_text("name: remembered\ncache: {ttl_seconds: 600}\n")
    stage.serval("push", str(folder), "--wait")
    for rows in (1, 20_000):
        item = {"name": "x", "datatype": "FP32", "shape": [rows, 2], "data": [0.5] * rows * 2}
        replies = [
            client.post("/v2/models/remembered/infer", json={"inputs": [item]}) for _ in range(2)
        ]
        assert [one.headers["serval-cache"] for one in replies] == ["miss", "hit"]
        assert replies[0].json() == replies[1].json()
        assert replies[1].json()["outputs"][0]["data"] == [1.5] * rows * 2
    found = stage.client("s3").list_objects_v2(Bucket=stage.data_bucket, Prefix="cache/")
    [kept] = found["Contents"]
    assert kept["Key"].startswith("cache/remembered/1/")


def test_an_async_request_of_a_pipeline_is_answered(client: httpx.Client, pipelines: None) -> None:
    item = {"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}
    reply = client.post("/async/models/follows/infer", json={"inputs": [item]})
    assert reply.status_code == 202, reply.text
    request = f"/async/requests/{reply.json()['id']}"
    ended = until("the request's end", lambda: ended_of(client, request))
    assert ended["status"] == "succeeded", ended
    [output] = ended["response"]["outputs"]
    assert json.loads(output["data"][0]) == {"sum": 25, "rows": 1}


def test_a_batch_job_of_a_pipeline_answers_every_row(
    client: httpx.Client, stage: LocalStage, pipelines: None
) -> None:
    batch = BatchCaller(stage, client)
    job = batch.start("follows", batch.put("batch/follows/src/rows.csv", ROWS))
    ended = batch.succeeded(job)
    assert ended["rows"] == 2
    assert batch.answers(ended) == [{"sum": 25, "rows": 1}, {"sum": 29, "rows": 1}]


def ended_of(client: httpx.Client, path: str) -> Any:
    found = client.get(path).json()
    return found if found["status"] in ("succeeded", "failed") else None


@pytest.fixture(scope="module")
def examples(stage: LocalStage) -> None:
    """Build and publish the pipelines of models/not-deployed, over the models that they ask."""
    for name in BUILT:
        built = ROOT / "models/not-deployed" / name / "build.py"
        subprocess.run([sys.executable, built], check=True, capture_output=True, cwd=ROOT)
    for path in ("camera", "reviews", *PARTS, *BUILT):
        folder = "models" if path in ("camera", "reviews") else "models/not-deployed"
        stage.serval("push", f"{folder}/{path}", "--wait")
    folder = stage.state / "bundles" / "post"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pipeline.yaml").write_text(POST)
    stage.serval("push", str(folder), "--wait")


def golden_lines(name: str) -> list[Any]:
    lines = (ROOT / "models/not-deployed" / name / "golden.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def input_of(name: str, line: Any) -> Any:
    """Return the input of a golden request, a picture as its bytes."""
    given = line["request"]["inputs"]
    return b64decode(given) if TAKES[name] == "image" else given


def answer_of(line: Any) -> Any:
    """Return what is expected of its one input; some tasks send it in a list."""
    answer = line["answer"]
    return near(answer if "label" in answer[0] else answer[0])


def near(value: Any) -> Any:
    """Return what equals a value whose floats are about the same."""
    if isinstance(value, dict):
        return {name: near(each) for name, each in value.items()}
    if isinstance(value, list):
        return [near(each) for each in value]
    return pytest.approx(value, abs=1e-4) if isinstance(value, float) else value


def hub_client(stage: LocalStage, name: str) -> InferenceClient:
    return InferenceClient(model=f"{stage.api_url}/models/{name}", token=stage.api_key)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_hugging_face_s_client_treats_a_pipeline_as_a_classifier(
    stage: LocalStage, examples: None, name: str
) -> None:
    """The last golden request is one of a picture of nothing, or has a ``top_k``."""
    lines = golden_lines(name)
    for line in (*lines[:2], lines[-1]):
        ask = getattr(hub_client(stage, name), CLASSIFIERS[name])
        found = ask(input_of(name, line), **line["request"].get("parameters", {}))
        assert [{"label": one.label, "score": one.score} for one in found] == answer_of(line)


def test_hugging_face_s_client_keeps_what_a_pipeline_tells_beside_its_text(
    stage: LocalStage, examples: None
) -> None:
    lines = golden_lines("catalogue")
    for line in (*lines[:2], lines[-1]):
        found = hub_client(stage, "catalogue").image_to_text(input_of("catalogue", line))
        expected = answer_of(line)
        assert {name: getattr(found, name) for name in expected} == expected
        assert set(expected) == {"generated_text", "tags", "keywords", "shown"}


@pytest.mark.parametrize("name", TAKES)
def test_v2_takes_the_inputs_of_a_pipeline_as_tensors(
    stage: LocalStage, examples: None, name: str
) -> None:
    lines = golden_lines(name)[:2]
    given = {TAKES[name]: np.array([input_of(name, line) for line in lines], object)}
    with Client(stage.api_url, stage.api_key, trust_environment=False) as client:
        found = client.infer(name, given)["answers"]
    assert [json.loads(each) for each in found] == [answer_of(line) for line in lines]


def test_a_picture_and_a_title_become_one_answer(client: httpx.Client, examples: None) -> None:
    person, *_, nothing = golden_lines("gate")
    for line, title, show in (
        (nothing, "I loved it.", True),
        (nothing, "I fell asleep.", False),
        (person, "I loved it.", False),
    ):
        picture = {"base64": line["request"]["inputs"]}
        reply = client.post("/models/post", json={"inputs": {"image": picture, "title": title}})
        assert (reply.status_code, reply.json()) == (200, {"title": title, "show": show})


def test_a_text_becomes_sound_by_v2(client: httpx.Client, examples: None) -> None:
    line = golden_lines("spoken")[0]
    reply = client.post("/v2/models/spoken/infer", json=line["request"])
    [output] = reply.json()["outputs"]
    [expected] = line["response"]["outputs"]
    assert output["shape"] == expected["shape"]
    assert output["data"] == pytest.approx(expected["data"], abs=1e-4)


def test_hugging_face_s_client_accepts_a_pipeline_s_waveform_as_speech(
    stage: LocalStage, examples: None
) -> None:
    spoken = hub_client(stage, "spoken").text_to_speech("serval")
    with wave.open(io.BytesIO(spoken)) as sound:
        assert (sound.getframerate(), sound.getnframes()) == (8000, 2400)


def test_clients_treat_a_pipeline_that_writes_like_a_model(
    stage: LocalStage, tmp_path: Path
) -> None:
    shutil.copytree(RECORDED / "gpt2" / "bundle", tmp_path / "writer")
    (tmp_path / "writer/task.json").unlink()
    (tmp_path / "writer/chat_template.jinja").write_text(CHATS)
    (tmp_path / "writer/model.yaml").write_text("name: writer\ntask: text-generation\n")
    (tmp_path / "teller").mkdir()
    (tmp_path / "teller/pipeline.yaml").write_text(TELLER)
    for name in ("writer", "teller"):
        stage.serval("push", str(tmp_path / name), "--wait")
    hold_conversation("writing_pipeline", stage)


def test_a_batch_job_runs_a_pipeline_over_a_prefix_of_images(
    client: httpx.Client, stage: LocalStage, examples: None
) -> None:
    batch, lines = BatchCaller(stage, client), golden_lines("gate")
    for index, line in enumerate(lines):
        batch.put(f"batch/gate/shots/{index}.jpg", input_of("gate", line))
    ended = batch.succeeded(batch.start("gate", f"s3://{stage.data_bucket}/batch/gate/shots/"))
    assert ended["rows"] == len(lines)
    assert batch.answers(ended, "answers") == [answer_of(line) for line in lines]


def test_a_pipeline_whose_model_is_missing_is_refused_before_it_is_sent(
    stage: LocalStage, pipelines: None
) -> None:
    with pytest.raises(AssertionError, match=r"steps\.1\.version: model 'adds-ten' has no version"):
        push(stage, "lost", SUM, ", version: '77'")


def test_a_new_version_of_a_steps_model_is_followed_unless_it_is_pinned(
    client: httpx.Client, stage: LocalStage, pipelines: None
) -> None:
    folder = stage.state / "bundles" / "adds-ten"
    (folder / "model.onnx").write_bytes(plus(20))
    stage.serval("push", str(folder))
    deadline = time.monotonic() + 240
    if wait_for_canary(stage, deadline):
        stage.serval("promote", "adds-ten")
    while answers(client, "follows")["sum"] != 45:
        assert time.monotonic() < deadline
        time.sleep(ROUTE_SECONDS / 5)
    assert answers(client, "pinned")["sum"] == 25
    assert ask_with_cache(client, [1, 2]) == (45, "second=miss")
    assert ask_with_cache(client, [1, 2]) == (45, "second=hit")


def wait_for_canary(stage: LocalStage, deadline: float) -> bool:
    while time.monotonic() < deadline:
        route = stage.registry().route("adds-ten")
        if route.candidate is not None or route.stable == "2":
            return route.stable != "2"
        time.sleep(1)
    raise AssertionError("no canary began")
