"""Pipelines on a stage: pushed, called by V2 and in their own words, following their models."""

import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from serval.models.route import ROUTE_SECONDS
from tests.fakes.inference import plus
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
    (folder / "pipeline.yaml").write_text(CHAIN.format(name=name, output=output, pin=pin))
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
    key = "batch/follows/src/rows.csv"
    stage.client("s3").put_object(Bucket=stage.data_bucket, Key=key, Body=b"x_0,x_1\n1,2\n3,4\n")
    job = {"input": f"s3://{stage.data_bucket}/{key}"}
    started = client.post("/batch/models/follows/jobs", json=job).json()
    ended = until("the job's end", lambda: ended_of(client, f"/batch/jobs/{started['id']}"))
    assert (ended["status"], ended["rows"]) == ("succeeded", 2), ended
    [url] = [one["url"] for one in ended["results"] if one["name"].startswith("output")]
    found = [json.loads(line) for line in httpx.get(url).text.splitlines()]
    assert [one["answer"] for one in found] == [{"sum": 25, "rows": 1}, {"sum": 29, "rows": 1}]


def ended_of(client: httpx.Client, path: str) -> Any:
    found = client.get(path).json()
    return found if found["status"] in ("succeeded", "failed") else None


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


def wait_for_canary(stage: LocalStage, deadline: float) -> bool:
    while time.monotonic() < deadline:
        route = stage.registry().route("adds-ten")
        if route.candidate is not None or route.stable == "2":
            return route.stable != "2"
        time.sleep(1)
    raise AssertionError("no canary began")
