"""A model with a task on a fleet, from its push to a batch job."""

import json
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest

from tests.local.conftest import ROOT, LocalStage
from tests.local.fleet_models.bundles import write_fleet_words

ANSWERS = ROOT / "tests" / "tasks" / "recorded" / "text-classification" / "answers.json"
ROWS = 200


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
