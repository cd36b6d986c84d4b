"""Realtime inference over HTTP, through API Gateway: right answers, clear refusals, under load."""

import concurrent.futures
import gzip
import importlib
import json
import threading
from typing import Any

import httpx
import numpy as np
import pytest

from tests.fakes.inference import identity
from tests.local.conftest import LocalStage

CLIENTS, REQUESTS = 50, 20


@pytest.fixture
def iris() -> Any:
    """Import how the example is trained: scikit-learn takes seconds, for which no other waits."""
    return importlib.import_module("models.iris.build")


@pytest.fixture(scope="module")
def client(stage: LocalStage, published_models: None) -> Any:
    with httpx.Client(
        base_url=stage.api_url, headers={"x-api-key": stage.api_key}, timeout=300
    ) as made:
        yield made


def request(rows: Any) -> dict[str, Any]:
    array = np.asarray(rows, np.float32)
    item = {
        "name": "measurements",
        "datatype": "FP32",
        "shape": list(array.shape),
        "data": array.tolist(),
    }
    return {"inputs": [item]}


def outputs(reply: httpx.Response) -> dict[str, Any]:
    assert reply.status_code == 200, reply.text
    return {output["name"]: output for output in reply.json()["outputs"]}


def test_all_150_flowers_are_answered_as_scikit_learn_does(iris: Any, client: httpx.Client) -> None:
    rows, _, species, _ = iris.measured()
    model = iris.train(rows, species)
    flowers = iris.load_iris().data.astype(np.float32)
    answered = outputs(client.post("/v2/models/iris/infer", json=request(flowers)))
    probabilities = np.array(answered["probabilities"]["data"]).reshape(150, 3)
    assert answered["label"]["data"] == model.predict(flowers).tolist()
    assert np.abs(probabilities - model.predict_proba(flowers)).max() < 1e-5


def test_a_model_with_a_function_of_its_own_answers_there(
    client: httpx.Client, stage: LocalStage
) -> None:
    item = {"name": "pixels", "datatype": "FP32", "shape": [1, 64], "data": [0] * 64}
    reply = client.post("/v2/models/digits/infer", json={"inputs": [item]})
    assert outputs(reply)["label"]["shape"] == [1]
    assert "infer-digits" in stage.functions()


def test_replies_name_the_version_and_the_time_it_took(client: httpx.Client) -> None:
    reply = client.post("/v2/models/iris/infer", json=request([[1, 2, 3, 4]]))
    assert reply.headers["serval-model-version"] == "1"
    assert "infer;dur=" in reply.headers["server-timing"]


GOOD = request([[1, 2, 3, 4]])
TENSOR = GOOD["inputs"][0]
BARE = {name: value for name, value in TENSOR.items() if name != "data"}
SHARED = BARE | {"parameters": {"shared_memory_region": "region"}}
CLASSIFIED = {"name": "label", "parameters": {"classification": 1}}


@pytest.mark.parametrize(
    ("sent", "status", "message"),
    [
        ({"json": {"inputs": [TENSOR | {"name": "x"}]}}, 400, "input 'x' is unknown"),
        ({"json": {"inputs": []}}, 400, "input 'measurements' is missing"),
        ({"json": {"inputs": [TENSOR, TENSOR]}}, 400, "given twice"),
        ({"json": {"inputs": [TENSOR | {"datatype": "INT8"}]}}, 400, "INT8 given, FP32 expected"),
        ({"json": {"inputs": [TENSOR | {"shape": [4]}]}}, 400, "shape [4] given, [-1, 4] exp"),
        ({"json": {"inputs": [TENSOR | {"data": [1, 2]}]}}, 400, "holds 4 values, got 2"),
        ({"json": {"inputs": [TENSOR | {"shape": [-1, 4]}]}}, 400, "-1 is not an extent"),
        ({"json": {"inputs": [TENSOR | {"shape": [2**62, 4]}]}}, 400, "more than any tensor"),
        ({"content": "{"}, 400, "not valid JSON"),
        ({"content": ""}, 400, "the body is empty"),
        ({"content": b'{"inputs": [], "inputs": []}'}, 400, "is there 2 times"),
        ({"json": GOOD | {"outputs": [CLASSIFIED]}}, 400, "'classification' is not supported"),
        ({"json": {"inputs": [SHARED]}}, 400, "shared memory is not supported"),
        ({"content": b"\xff\xfe", "headers": {"content-type": "text/plain"}}, 400, "not"),
        ({"content": b"{}", "headers": {"inference-header-content-length": "9"}}, 400, "9"),
        ({"json": GOOD, "headers": {"x-api-key": ""}}, 401, "no API key"),
        ({"json": GOOD, "headers": {"x-api-key": "srv_wrong"}}, 401, "unknown or revoked"),
        (
            {"content": gzip.compress(b"{}", mtime=0), "headers": {"content-encoding": "gzip"}},
            400,
            "'inputs' is missing",
        ),
        (
            {
                "content": gzip.compress(b"{}", mtime=0)[:-8],
                "headers": {
                    "content-encoding": "gzip",
                    "content-type": "application/octet-stream",
                },
            },
            400,
            "cut short",
        ),
        (
            {
                "content": gzip.compress(bytes(2**26)),
                "headers": {
                    "content-encoding": "gzip",
                    "content-type": "application/octet-stream",
                },
            },
            413,
            "inflated body",
        ),
        (
            {
                "content": gzip.compress(b"{}", mtime=0),
                "headers": {"content-encoding": "gzip", "content-type": "application/json"},
            },
            400,
            "application/octet-stream",
        ),
        ({"content": b'{"x": "' + b"a" * 5_600_000 + b'"}'}, 413, "send fewer rows"),
    ],
)
def test_a_malformed_request_is_refused_in_the_protocols_shape(
    client: httpx.Client, sent: dict[str, Any], status: int, message: str
) -> None:
    reply = client.post("/v2/models/iris/infer", **sent)
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/json"
    assert reply.json().keys() == {"error"}
    assert message in reply.json()["error"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v2/models/absent/infer"),
        ("POST", "/v2/models/iris/versions/99/infer"),
        ("GET", "/v2/models/iris/infer"),
        ("GET", "/v2/models/absent"),
        ("GET", "/nowhere"),
        ("DELETE", "/v2/models/iris"),
    ],
)
def test_what_does_not_exist_is_not_found(client: httpx.Client, method: str, path: str) -> None:
    reply = client.request(method, path, json=GOOD if method == "POST" else None)
    assert reply.status_code == 404
    assert reply.headers["content-type"] == "application/json"
    assert reply.json().keys() == {"error"}


def test_a_key_is_good_for_its_models_only(client: httpx.Client, stage: LocalStage) -> None:
    narrow = stage.serval("keys", "create", "narrow", "--model", "diabetes", "--json")
    headers = {"x-api-key": json.loads(narrow)["key"]}
    refused = client.post("/v2/models/iris/infer", json=GOOD, headers=headers)
    assert refused.status_code == 403
    assert refused.json() == {"error": "the API key has no scope for model 'iris'"}
    assert client.get("/v2/models", headers=headers).json() == {"models": ["diabetes"]}


def test_a_lost_artifact_fails_a_request_and_not_the_ones_after_its_return(
    client: httpx.Client, stage: LocalStage
) -> None:
    """The version is new to every environment, so each has to load it."""
    version = stage.publish("fragile", identity("FP64", ["n"]), "FP64")
    bucket, key = stage.artifact_bucket, f"models/fragile/{version}/model.onnx"
    s3 = stage.client("s3")
    whole = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    path = "/v2/models/fragile/infer"
    item = {"name": "x", "datatype": "FP64", "shape": [1], "data": [1.5]}
    s3.put_object(Bucket=bucket, Key=key, Body=whole[:-1] + b"?")
    corrupt = client.post(path, json={"inputs": [item]})
    assert corrupt.status_code == 503
    assert "sha256" in corrupt.json()["error"]
    s3.delete_object(Bucket=bucket, Key=key)
    assert client.post(path, json={"inputs": [item]}).status_code == 503
    s3.put_object(Bucket=bucket, Key=key, Body=whole)
    assert outputs(client.post(path, json={"inputs": [item]}))["y"]["data"] == [1.5]


def test_fifty_clients_at_once_get_right_answers(
    iris: Any, stage: LocalStage, published_models: None
) -> None:
    flowers = iris.load_iris().data.astype(np.float32)
    rows, _, species, _ = iris.measured()
    labels = iris.train(rows, species).predict(flowers).tolist()
    bodies = [json.dumps(request(flowers[n : n + 1])) for n in range(150)]
    everyone = threading.Barrier(CLIENTS)

    def caller(number: int) -> list[str]:
        wrong: list[str] = []
        with httpx.Client(headers={"x-api-key": stage.api_key}, timeout=300) as http:
            everyone.wait()
            for turn in range(REQUESTS):
                n = (number + 7 * turn) % 150
                reply = http.post(f"{stage.api_url}/v2/models/iris/infer", content=bodies[n])
                if reply.status_code != 200 or outputs(reply)["label"]["data"] != [labels[n]]:
                    wrong.append(f"flower {n}: {reply.status_code} {reply.text:.200}")
        return wrong

    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        found = list(pool.map(caller, range(CLIENTS)))
    assert [problem for wrong in found for problem in wrong] == []


def binary(rows: Any) -> tuple[bytes, dict[str, str]]:
    """Give a body with a binary tensor, and the header that it needs."""
    raw = np.asarray(rows, "<f4").tobytes()
    item = BARE | {"parameters": {"binary_data_size": len(raw)}}
    head = json.dumps({"inputs": [item]}).encode()
    return head + raw, {"inference-header-content-length": str(len(head))}


def test_a_binary_body_without_content_type_is_read(client: httpx.Client) -> None:
    """As the sync tritonclient sends it: the gateway hands such a body over in base64."""
    body, headers = binary([1, 2, 3, 4])
    sent = client.build_request("POST", "/v2/models/iris/infer", content=body, headers=headers)
    assert "content-type" not in sent.headers
    assert outputs(client.send(sent))["label"]["shape"] == [1]


@pytest.mark.parametrize("content_type", ["application/json", "text/plain"])
def test_bytes_that_the_gateway_takes_for_text_are_refused_as_damaged(
    client: httpx.Client, content_type: str
) -> None:
    body, headers = binary([5.1, 3.5, 1.4, 0.2])
    for content, framing in [(body, headers), (body[-16:], {next(iter(headers)): "0"})]:
        sent = framing | {"content-type": content_type}
        reply = client.post("/v2/models/iris/infer", content=content, headers=sent)
        assert reply.status_code == 400, reply.text
        assert "damaged on the way" in reply.json()["error"]
