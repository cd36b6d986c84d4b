"""What takes no tensors on a fleet: a model with a task, and a container of its own."""

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest

from tests.local.conftest import ROOT, LocalStage
from tests.local.fleet_caller import FINAL, until
from tests.local.fleet_models.bundles import write_boxed, write_fleet_words

ANSWERS = ROOT / "tests" / "tasks" / "recorded" / "text-classification" / "answers.json"
ROWS = 200
PICTURE = b"\x00\xff no picture"


def sagemaker_runtime(url: str, key: str) -> Any:
    """Make the SDK's client of the API."""
    return boto3.client(
        "sagemaker-runtime",
        endpoint_url=url,
        region_name="eu-central-1",
        aws_access_key_id=key,
        aws_secret_access_key="any",
    )


def test_a_task_on_a_fleet_gives_the_originals_answers_to_calls_and_jobs(
    stage: LocalStage, api_key: str, tmp_path: Path
) -> None:
    stage.serval("push", str(write_fleet_words(tmp_path / "bundle")), "--wait")
    [call, *_] = json.loads(ANSWERS.read_text())
    text, expected = call["inputs"][0], call["answers"][0]
    labels = [one["label"] for one in expected]
    with httpx.Client(base_url=stage.api_url, headers={"x-api-key": api_key}, timeout=60) as client:
        for path in ("models/fleet-words", "models/fleet-words/versions/1"):
            reply = client.post(path, json={"inputs": text})
            assert reply.status_code == 200, reply.text
            [answer] = reply.json()
            assert [one["label"] for one in answer] == labels
            for one, other in zip(answer, expected, strict=True):
                assert one["score"] == pytest.approx(other["score"], abs=1e-4)
        rows = client.post("v1/models/fleet-words:predict", json={"instances": [text]})
        assert rows.json() == {"predictions": [answer]}
        refused = client.post("models/fleet-words", json={"inputs": text, "temperature": 1})
        assert refused.status_code == 400
        assert "one of: function_to_apply, top_k expected" in refused.json()["error"]
    runtime = sagemaker_runtime(stage.api_url, api_key)
    asked = {"EndpointName": "fleet-words", "ContentType": "application/json"}
    body = json.dumps({"inputs": text}).encode()
    invoked = runtime.invoke_endpoint(**asked, Body=body)["Body"].read()
    assert json.loads(invoked) == [answer]
    streamed = runtime.invoke_endpoint_with_response_stream(**asked, Body=body)["Body"]
    assert json.loads(b"".join(part["PayloadPart"]["Bytes"] for part in streamed)) == [answer]
    s3, key = stage.client("s3"), "async/in/fleet-words/one"
    s3.put_object(Bucket=stage.data_bucket, Key=key, Body=body)
    submitted = runtime.invoke_endpoint_async(
        **asked, InputLocation=f"s3://{stage.data_bucket}/{key}"
    )
    _, _, key = submitted["OutputLocation"].removeprefix("s3://").partition("/")
    s3.get_waiter("object_exists").wait(
        Bucket=stage.data_bucket, Key=key, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    written = s3.get_object(Bucket=stage.data_bucket, Key=key)["Body"].read()
    assert json.loads(written) == [answer]
    shown = json.loads(stage.serval("infer", "fleet-words", text, "--json"))
    assert shown == [answer]
    rows = tmp_path / "rows.csv"
    rows.write_text("id,text\n" + "".join(f'{n},"{text}"\n' for n in range(ROWS)))
    ran = stage.serval("batch", "run", "fleet-words", str(rows), "--watch", "--json")
    job = json.loads(ran.splitlines()[-1])
    stage.serval("batch", "download", job["id"], "--to", str(tmp_path))
    lines = (tmp_path / "output.jsonl").read_text().splitlines()
    assert len(lines) == ROWS
    assert [one["label"] for one in json.loads(lines[-1])["answers"]] == labels


def test_a_container_takes_any_body_is_killed_and_answers_on_while_its_next_version_is_never_ready(
    stage: LocalStage, api_key: str, tmp_path: Path
) -> None:
    headers = {"x-api-key": api_key}
    with httpx.Client(base_url=stage.api_url, headers=headers, timeout=60) as client:
        stage.serval("push", str(write_boxed(tmp_path / "first")), "--wait")

        def ask() -> dict[str, Any]:
            """Submit a body, and wait for its end."""
            inputs = [
                {"name": name, "datatype": "BYTES", "shape": [1], "data": [value]}
                for name, value in (("body", "any"), ("content_type", "image/x-own"))
            ]
            reply = client.post("async/models/boxed/infer", json={"inputs": inputs})
            assert reply.status_code == 202, reply.text
            at = f"async/requests/{reply.json()['id']}"

            def ended() -> dict[str, Any] | None:
                found: dict[str, Any] = client.get(at).json()
                return found if found["status"] in FINAL else None

            return until("its answer", ended)

        first = ask()
        assert (first["status"], first["version"]) == ("succeeded", "1"), first
        said = {"text": "first", "type": "image/x-own", "at": "/predictions"}
        answer, content_type = (output["data"] for output in first["response"]["outputs"])
        assert [json.loads(answer[0]), *content_type] == [
            said | {"body": "any"},
            "application/json",
        ]
        binary = client.post("models/boxed", content=PICTURE, headers={"content-type": "a/b"})
        assert (binary.status_code, binary.headers["content-type"]) == (200, "application/json")
        assert binary.json() == said | {"type": "a/b", "body": PICTURE.decode("latin-1")}

        log = stage.serval("local", "logs", "server-worker-boxes-1")
        *_, process = re.findall(r"started process (\d+)", log)
        os.kill(int(process), signal.SIGKILL)
        assert ask()["status"] == "succeeded"
        assert f"ending process {process}" in log_of("server-worker-boxes-1", stage)

        never = write_boxed(tmp_path / "next", "never ready")
        stage.serval("push", str(never), "--no-wait")
        until("its share", lambda: stage.registry().route("boxed").candidate)

        def tries_it() -> bool:
            """Ask until the machine, which may still know the route of before, has started it."""
            instead = ask()
            assert (instead["status"], instead["version"]) == ("succeeded", "1")
            return "is not ready after 3 s: " in log_of("worker-boxes-1", stage)

        until("the next version's failure", tries_it)
        shown = stage.serval("rollout", "boxed")
        assert "all at once: a process of its inference server holds one version" in shown
        stage.serval("rollout", "abort", "boxed")


def log_of(name: str, stage: LocalStage) -> str:
    return (stage.state / "logs" / f"{name}.log").read_text()
