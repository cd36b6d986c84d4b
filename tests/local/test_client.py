"""`serval.client` on a stage: both clients, models on Lambda and on a fleet, batch jobs."""

import asyncio
import json
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from serval.client import AsyncClient, BadRequest, Client, Conflict, Missing
from tests.local.conftest import ROOT, LocalStage
from tests.local.fleet_models.bundles import write_fleet_tale

CLIENTS = ROOT / "build" / "environments" / "clients" / "bin" / "python"
TALE_TOKENS = 600
FLOWER = [5.1, 3.5, 1.4, 0.2]


@pytest.fixture(scope="module")
def client(stage: LocalStage, published_models: None, fleet_models: None) -> Iterator[Client]:
    with Client(stage.api_url, stage.api_key, trust_environment=False) as client:
        yield client


def test_lists_and_arrays_are_answered_alike(client: Client) -> None:
    listed, binary = client.infer("iris", FLOWER), client.infer("iris", np.array([FLOWER] * 2))
    assert (listed["label"], binary["label"].tolist()) == ([0], [0, 0])
    assert listed["probabilities"][0] == pytest.approx(binary["probabilities"][0].tolist())
    many = client.infer("iris", [FLOWER] * 20_000)
    assert set(many["label"]) == {0}
    assert {"iris", "light"} <= set(client.models())


def test_errors_have_the_servers_words(client: Client) -> None:
    with pytest.raises(Missing, match="absent"):
        client.infer("absent", [1])
    wrong = {"name": "measurements", "datatype": "INT8", "shape": [1, 4], "data": [1, 2, 3, 4]}
    with pytest.raises(BadRequest, match="INT8"):
        client.infer("iris", {"inputs": [wrong]})


def test_a_request_of_a_fleet_is_awaited_and_has_one_id(client: Client) -> None:
    own = f"client-{uuid.uuid4().hex[:8]}"
    client.submit("light", [1, 2], request_id=own)
    assert client.submit("light", [1, 2], request_id=own)["id"] == own
    with pytest.raises(Conflict):
        client.submit("light", [1, 3], request_id=own)
    assert client.wait(own, model="light", timeout_seconds=120)["y"] == [[3, 5]]
    assert client.infer("light", [1, 2])["y"] == [[3, 5]]
    assert own in [found["id"] for found in client.requests(model="light")]


def test_an_upload_is_answered_in_the_form_that_it_has(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serval.client.requests.INSIDE_BYTES", 10)
    submitted = client.submit("light", np.array([[1, 2], [3, 4]]))
    answer = client.wait(submitted["id"], model="light", arrays=True)
    assert answer["y"].tolist() == [[3, 5], [7, 9]]


@pytest.fixture(scope="module")
def tale(client: Client, stage: LocalStage, tmp_path_factory: pytest.TempPathFactory) -> None:
    bundle = write_fleet_tale(tmp_path_factory.mktemp("tale") / "bundle")
    stage.serval("push", str(bundle), "--wait")


def test_a_text_is_read_while_it_is_written_and_again_from_any_event(
    client: Client, tale: None
) -> None:
    own, parameters = f"tale-{uuid.uuid4().hex[:8]}", {"max_new_tokens": 12}
    events = list(client.stream("fleet-tale", "the cat", parameters=parameters, request_id=own))
    tokens = list(range(1, len(events)))
    assert [one.number for one in events] == [*tokens, tokens[-1]]
    assert (events[-1].kind, events[-1].data["status"]) == ("end", "succeeded")
    text = "".join(one.data["text"] for one in events[:-1] if not one.data["special"])
    answer = json.loads(client.wait(own, model="fleet-tale")["answers"][0])
    assert answer["generated_text"] == text
    assert list(client.events(own, model="fleet-tale", after=5)) == events[5:]


STREAMED = """
import json, sys
from datetime import datetime, timezone
import openai

client = openai.OpenAI(base_url=sys.argv[1], api_key=sys.argv[2], max_retries=0, timeout=120)
asked = json.loads(sys.argv[3])
wanted = asked | {"stream": True, "stream_options": {"include_usage": True}}
stream = client.chat.completions.create(**wanted)
told, came = [], None
for chunk in stream:
    came = came or datetime.now(timezone.utc).isoformat()
    told.append(chunk.model_dump())
whole = client.chat.completions.create(**asked)
print(json.dumps({"came": came, "told": told, "whole": whole.model_dump()}))
"""


def test_openais_client_gets_a_fleets_tokens_before_the_text_has_ended(
    client: Client, stage: LocalStage, tale: None
) -> None:
    asked = {
        "model": "fleet-tale",
        "messages": [{"role": "user", "content": "the cat"}],
        "max_tokens": TALE_TOKENS,
        "extra_body": {"min_new_tokens": TALE_TOKENS},
    }
    run = subprocess.run(
        [CLIENTS, "-c", STREAMED, f"{stage.api_url}/v1", stage.api_key, json.dumps(asked)],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    said = json.loads(run.stdout)
    *told, last = said["told"]
    row = f"{stage.api_url}/async/requests/{last['id'].removeprefix('chatcmpl-')}"
    request = httpx.get(row, headers={"x-api-key": stage.api_key}).json()
    assert said["came"] < request["finished"]
    assert told[0]["choices"][0]["delta"]["role"] == "assistant"
    text = "".join(chunk["choices"][0]["delta"]["content"] or "" for chunk in told)
    assert text == said["whole"]["choices"][0]["message"]["content"]
    assert told[-1]["choices"][0]["finish_reason"] == "length"
    assert last["usage"] == said["whole"]["usage"]
    events = list(client.events(request["id"], model="fleet-tale"))
    assert len(events) == TALE_TOKENS + 1
    assert "".join(one.data["text"] for one in events[:-1]) == text


def test_a_job_is_followed_and_downloaded(
    client: Client, stage: LocalStage, tmp_path: Path
) -> None:
    key = f"batch/iris/client/{uuid.uuid4().hex}/rows.csv"
    header = ",".join(f"measurements_{n}" for n in range(4))
    body = "\n".join([header, *["5.1,3.5,1.4,0.2"] * 9]) + "\n"
    stage.client("s3").put_object(Bucket=stage.data_bucket, Key=key, Body=body.encode())
    source = f"s3://{stage.data_bucket}/{key}"
    job = client.start_job("iris", source, key=key)
    assert client.start_job("iris", source, key=key)["id"] == job["id"]
    *_, ended = client.follow_job(job["id"])
    assert (ended["status"], ended["rows"]) == ("succeeded", 9)
    files = {path.name: path for path in client.download_job(job["id"], tmp_path)}
    assert len(files["output.csv"].read_text().splitlines()) == 10


def test_many_calls_at_once_are_awaited(client: Client, stage: LocalStage) -> None:
    async def calls() -> list[list[int]]:
        async with AsyncClient(stage.api_url, stage.api_key, trust_environment=False) as awaited:
            answers = await asyncio.gather(*(awaited.infer("iris", FLOWER) for _ in range(20)))
            return [answer["label"] for answer in answers]

    assert asyncio.run(calls()) == [[0]] * 20
