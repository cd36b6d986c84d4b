"""A model with a task on a fleet, from its push to a batch job."""

import json
from pathlib import Path

import boto3
import httpx
import pytest

from tests.local.conftest import ROOT, LocalStage
from tests.local.fleet_models.bundles import write_fleet_words

ANSWERS = ROOT / "tests" / "tasks" / "recorded" / "text-classification" / "answers.json"
ROWS = 200


def invoked(url: str, key: str, text: str) -> bytes:
    """Let boto3 invoke the endpoint."""
    runtime = boto3.client(
        "sagemaker-runtime",
        endpoint_url=url,
        region_name="eu-central-1",
        aws_access_key_id=key,
        aws_secret_access_key="any",
    )
    reply = runtime.invoke_endpoint(
        EndpointName="fleet-words",
        ContentType="application/json",
        Body=json.dumps({"inputs": text}),
    )
    body: bytes = reply["Body"].read()
    return body


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
    assert json.loads(invoked(stage.api_url, api_key, text)) == [answer]
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
