"""Async requests of models on Lambda, over HTTP: the API, the queue and the function are real."""

import json
import uuid
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from serval.client import Client, StreamEvent
from serval.client.events import EventParser
from tests.fakes.receivers import Receiver
from tests.local.conftest import LocalStage
from tests.local.fleet_caller import until
from tests.local.fleet_models.bundles import write_fleet_tale
from tests.local.test_fleet_words import sagemaker_runtime
from tests.local.test_realtime import client as client  # the stage's models, and its key
from tests.local.test_realtime import request

FLOWER = [[5.1, 3.5, 1.4, 0.2]]
TALE_TOKENS = 2000


def ended(client: httpx.Client, request_id: str) -> dict[str, Any]:
    def final() -> dict[str, Any] | None:
        found = client.get(f"/async/requests/{request_id}").json()
        return None if found["status"] in ("queued", "running") else dict(found)

    return until(f"{request_id} to end", final)


def label(document: dict[str, Any]) -> Any:
    assert document["status"] == "succeeded", document
    (found,) = (each for each in document["response"]["outputs"] if each["name"] == "label")
    return found["data"]


def test_a_request_is_submitted_awaited_listed_and_found_again(
    client: httpx.Client, stage: LocalStage
) -> None:
    now = client.post("/v2/models/iris/infer", json=request(FLOWER)).json()
    expected = next(each["data"] for each in now["outputs"] if each["name"] == "label")
    reply = client.post(
        "/async/models/iris/infer", json=request(FLOWER), headers={"prefer": "wait=20"}
    )
    assert reply.status_code in (200, 202), reply.text
    document = ended(client, reply.json()["id"])
    assert label(document) == expected
    assert (document["version"], document["attempts"]) == ("1", 1)
    listed = client.get("/async/requests", params={"model": "iris"}).json()["requests"]
    assert document["id"] in [each["id"] for each in listed]
    shown = json.loads(stage.serval("requests", "iris", "--json"))["requests"]
    assert shown[0]["fleet"] == "lambda"


def test_a_put_of_a_model_on_lambda_is_found_without_its_model(client: httpx.Client) -> None:
    body = {"model": "digits", "request": pixels()}
    first = client.put("/async/requests/light-1", json=body)
    assert first.status_code in (200, 202), first.text
    assert ended(client, "light-1")["status"] == "succeeded", "it has a function of its own"
    again = client.put("/async/requests/light-1", json=body)
    assert (again.status_code, again.json()["attempts"]) == (200, 1)


def test_an_upload_and_a_result_too_large_for_the_api_go_by_url(client: httpx.Client) -> None:
    rows = np.tile(np.asarray(FLOWER, np.float32), (600_000, 1))
    item = {"name": "measurements", "datatype": "FP32", "shape": list(rows.shape)}
    item["parameters"] = {"binary_data_size": rows.nbytes}
    head = json.dumps({"inputs": [item], "parameters": {"binary_data_output": True}}).encode()
    body = head + rows.tobytes()
    begun = client.post("/async/models/iris/uploads", json={"size_bytes": len(body)}).json()
    assert httpx.put(begun["upload_url"], content=body, trust_env=False).is_success
    asked = {"model": "iris", "upload": True, "inference_header_content_length": len(head)}
    assert client.put(f"/async/requests/{begun['id']}", json=asked).status_code in (200, 202)
    document = ended(client, begun["id"])
    assert document["status"] == "succeeded", document
    result = httpx.get(document["response_url"], trust_env=False).content
    assert len(result) > 6 * 2**20
    described = json.loads(result[: document["response_header_length"]])
    assert described["outputs"][0]["shape"][0] == len(rows)


def test_sdks_of_sagemaker_have_answers_in_s3_and_in_streams(
    client: httpx.Client, stage: LocalStage
) -> None:
    runtime = sagemaker_runtime(stage.api_url, stage.api_key)
    asked = {"EndpointName": "iris", "ContentType": "text/csv", "Accept": "text/csv"}
    body = b"5.1,3.5,1.4,0.2\n6.7,3.0,5.2,2.3\n"
    expected = runtime.invoke_endpoint(**asked, Body=body)["Body"].read()
    assert [line.split(b",")[0] for line in expected.splitlines()] == [b"0", b"2"]
    streamed = runtime.invoke_endpoint_with_response_stream(**asked, Body=body)
    assert streamed["ContentType"] == "text/csv"
    assert b"".join(part["PayloadPart"]["Bytes"] for part in streamed["Body"]) == expected
    s3, bucket = stage.client("s3"), stage.data_bucket
    s3.put_object(Bucket=bucket, Key="async/in/iris/rows", Body=body)
    for given in ({"InputLocation": f"s3://{bucket}/async/in/iris/rows"}, {"Body": body}):
        submitted = runtime.invoke_endpoint_async(**asked, **given, InferenceId="mine")
        assert submitted["InferenceId"] == "mine"
        place = {"Bucket": bucket, "Key": submitted["OutputLocation"].partition(f"{bucket}/")[2]}
        waiting = {"Delay": 1, "MaxAttempts": 60}
        s3.get_waiter("object_exists").wait(**place, WaiterConfig=waiting)
        assert s3.get_object(**place)["Body"].read() == expected


def test_a_text_is_read_while_lambda_writes_it_and_gone_on_with_behind_any_event(
    client: httpx.Client, stage: LocalStage, tmp_path: Path
) -> None:
    bundle = write_fleet_tale(tmp_path / "light-tale")
    (bundle / "model.yaml").write_text("name: light-tale\ntask: text-generation\n")
    stage.serval("push", str(bundle), "--wait")
    own, tokens = f"tale-{uuid.uuid4().hex[:8]}", list(range(1, TALE_TOKENS + 1))
    asked = {"max_new_tokens": TALE_TOKENS, "min_new_tokens": TALE_TOKENS, "do_sample": True}

    def first_events() -> list[StreamEvent]:
        return list(EventParser().feed(client.get(f"/async/requests/{own}/events").content))

    with Client(stage.api_url, stage.api_key, trust_environment=False) as python:
        python.submit_call("light-tale", "the cat", parameters=asked, request_id=own, stream=True)
        read = until("the first events", first_events)
        assert read[-1].number < TALE_TOKENS, "it is read while it is written"
        read += python.events(own, model="light-tale", after=read[-1].number)
        answer = python.wait_call(own, model="light-tale").value
        again = list(python.events(own, model="light-tale", after=TALE_TOKENS - 1))
    assert [one.number for one in read] == [*tokens, TALE_TOKENS]
    assert (read[-1].kind, read[-1].data["status"]) == ("end", "succeeded")
    text = "".join(one.data["text"] for one in read[:-1] if not one.data["special"])
    assert answer["generated_text"] == text
    assert again == read[-2:]


def test_what_a_caller_got_wrong_is_retried_and_is_no_dead_letter(
    client: httpx.Client, stage: LocalStage
) -> None:
    body = b"not a request"
    begun = client.post("/async/models/iris/uploads", json={"size_bytes": len(body)}).json()
    httpx.put(begun["upload_url"], content=body, trust_env=False)
    path = f"/async/requests/{begun['id']}"
    client.put(path, json={"model": "iris", "upload": True})
    failed = ended(client, begun["id"])
    assert failed["status"] == "failed"
    assert "not valid JSON" in failed["error"]
    assert client.delete(path).status_code == 409
    assert client.post(f"{path}/retry").status_code in (200, 202)
    assert ended(client, begun["id"])["status"] == "failed"
    letters = json.loads(stage.serval("redrive", "iris", "--inspect", "--json"))
    assert letters["dead_letters"] == []


def test_a_callback_is_sent_until_it_is_accepted(client: httpx.Client, receiver: Receiver) -> None:
    made = client.post(
        "/async/models/iris/infer",
        json=request(FLOWER),
        headers={"serval-callback-url": receiver.url},
    )
    until("a second callback", lambda: len(receiver.received) == 2)
    refused, document = (json.loads(sent.body) for sent in receiver.received)
    assert refused["id"] == document["id"] == made.json()["id"]
    assert label(document) == label(ended(client, document["id"]))


def test_a_queued_request_is_cancelled(client: httpx.Client, stage: LocalStage) -> None:
    queues = stage.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    (mapping,) = (each for each in queues if each["EventSourceArn"].endswith("light-requests"))
    stage.client("lambda").update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    try:
        made = client.post("/async/models/iris/infer", json=request(FLOWER)).json()
        assert made["status"] == "queued"
        gone = client.delete(f"/async/requests/{made['id']}")
        assert (gone.status_code, gone.json()["status"]) == (200, "cancelled")
    finally:
        stage.client("lambda").update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)
    assert ended(client, made["id"])["status"] == "cancelled"


def pixels() -> dict[str, Any]:
    item = {"name": "pixels", "datatype": "FP32", "shape": [1, 64], "data": [0] * 64}
    return {"inputs": [item]}


@pytest.mark.parametrize("size_bytes", [490_733_569, 10**9])
def test_an_upload_that_the_function_has_no_memory_for_is_refused(
    client: httpx.Client, size_bytes: int
) -> None:
    reply = client.post("/async/models/iris/uploads", json={"size_bytes": size_bytes})
    assert reply.status_code == 400
    assert "a whole number of bytes up to 490733568 (send fewer rows" in reply.json()["error"]
