"""Pipelines on a stage: pushed, called by V2 and in their own words, following their models."""

import io
import json
import subprocess
import sys
import time
import wave
from pathlib import Path
from typing import Any

import httpx
import pytest
from huggingface_hub import InferenceClient

from models.camera import build as camera
from serval.models.route import ROUTE_SECONDS
from tests.fakes.inference import plus
from tests.local.batch_caller import BatchCaller
from tests.local.conftest import LocalStage
from tests.local.fleet_caller import until

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
PEOPLE = """
name: people
inputs: [{name: image, datatype: BYTES, shape: [1]}]
steps: [{name: seen, model: camera}]
output: '{"people": $count(seen[label = "person"])}'
"""
BUILT = ("gate", "catalogue", "cascade", "spoken", "topics")
PARTS = (
    *("cascade/large", "spoken/spectrogram", "spoken/vocoder"),
    *("topics/encoder", "topics/linear", "topics/trees"),
)
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
    folder = stage.state / "bundles" / "people"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pipeline.yaml").write_text(PEOPLE)
    stage.serval("push", str(folder), "--wait")


def golden_line(name: str, index: int = 0) -> Any:
    lines = (ROOT / "models/not-deployed" / name / "golden.jsonl").read_text().splitlines()
    return json.loads(lines[index])


@pytest.mark.parametrize("name", ["gate", "catalogue"])
def test_a_picture_and_a_text_become_one_answer(
    client: httpx.Client, examples: None, name: str
) -> None:
    for index in (0, 1):
        line = golden_line(name, index)
        reply = client.post(f"/models/{name}", json=line["request"])
        assert (reply.status_code, reply.json()) == (200, line["answer"])


def test_two_classifiers_over_one_encoder_name_a_topic(
    client: httpx.Client, examples: None
) -> None:
    line = golden_line("topics")
    found = client.post("/models/topics", json=line["request"]).json()
    score = pytest.approx(line["answer"]["score"], abs=1e-4)
    assert found == line["answer"] | {"score": score}
    [text] = line["request"]["inputs"].values()
    item = {"name": "text", "datatype": "BYTES", "shape": [1], "data": [text]}
    [output] = client.post("/v2/models/topics/infer", json={"inputs": [item]}).json()["outputs"]
    assert json.loads(output["data"][0]) == found


def test_hugging_face_s_client_takes_a_cascade_for_a_model(
    stage: LocalStage, examples: None
) -> None:
    asked = InferenceClient(model=f"{stage.api_url}/models/cascade", token=stage.api_key)
    line = golden_line("cascade")
    found = asked.text_classification(line["request"]["inputs"])
    expected = [(one["label"], pytest.approx(one["score"], abs=1e-4)) for one in line["answer"][0]]
    assert [(one.label, one.score) for one in found] == expected


def test_a_text_becomes_sound_by_v2(client: httpx.Client, examples: None) -> None:
    line = golden_line("spoken")
    reply = client.post("/v2/models/spoken/infer", json=line["request"])
    [output] = reply.json()["outputs"]
    [expected] = line["response"]["outputs"]
    assert output["shape"] == expected["shape"]
    assert output["data"] == pytest.approx(expected["data"], abs=1e-4)


def test_hugging_face_s_client_takes_a_pipeline_s_waveform_for_speech(
    stage: LocalStage, examples: None
) -> None:
    asked = InferenceClient(model=f"{stage.api_url}/models/spoken", token=stage.api_key)
    with wave.open(io.BytesIO(asked.text_to_speech("serval"))) as sound:
        assert (sound.getframerate(), sound.getnframes()) == (8000, 2400)


def test_a_batch_job_runs_a_pipeline_over_a_prefix_of_images(
    client: httpx.Client, stage: LocalStage, examples: None
) -> None:
    s3, people = stage.client("s3"), []
    for seed in range(3):
        picture, truth = camera.draw(seed)
        people.append(sum(one["label"] == "person" for one in truth))
        key = f"batch/people/shots/{seed}.jpg"
        s3.put_object(Bucket=stage.data_bucket, Key=key, Body=picture)
    batch = BatchCaller(stage, client)
    ended = batch.succeeded(batch.start("people", f"s3://{stage.data_bucket}/batch/people/shots/"))
    assert ended["rows"] == 3
    assert batch.answers(ended) == [{"people": count} for count in people]


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
