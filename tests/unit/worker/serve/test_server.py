"""The worker as a server: SageMaker's contract and the protocol's, over real HTTP."""

import gzip
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from serval.inference.runtimes import Model
from serval.models.route import Route
from tests.fakes.http_servers import V2
from tests.fakes.inference import plus, signature
from tests.fakes.task_models import publish_sentiment
from tests.fakes.worker import TWO_COLUMNS, row_of

pytestmark = pytest.mark.slow

ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
CALLERS = 12
WAIT_SECONDS = 60.0


@pytest.fixture
def v2(tmp_path: Path) -> V2:
    server = V2(tmp_path)
    server.registry.publish("adder", "1", plus(1), TWO_COLUMNS)
    server.registry.publish("adder", "2", plus(2), TWO_COLUMNS)
    return server


@pytest.fixture
def client(v2: V2) -> Iterator[httpx.Client]:
    with (
        v2.serving() as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as made,
    ):
        yield made


def envelope(version: str = "1", header_length: int | None = None, model: str = "adder") -> str:
    return json.dumps(
        {"m": model, "v": version, "h": header_length, "a": f"models/{model}/{version}/"}
    )


def invoke(client: httpx.Client, body: bytes, attributes: str | None) -> httpx.Response:
    headers = {"Content-Type": "application/octet-stream"}
    if attributes is not None:
        headers[ATTRIBUTES] = attributes
    return client.post("/invocations", content=body, headers=headers)


def binary(values: Any) -> tuple[bytes, int]:
    array = np.array(values, np.float32)
    item = {
        "name": "x",
        "datatype": "FP32",
        "shape": array.shape,
        "parameters": {"binary_data_size": array.nbytes},
    }
    head = json.dumps({"inputs": [item], "parameters": {"binary_data_output": True}}).encode()
    return head + array.tobytes(), len(head)


def error(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.json().keys() == {"error"}
    return str(answer.json()["error"])


def test_pings_are_answered(client: httpx.Client) -> None:
    assert client.get("/ping").status_code == 200


def test_the_envelope_says_which_version_answers(client: httpx.Client) -> None:
    for version, expected in (("1", [2, 1]), ("2", [3, 2])):
        answer = invoke(client, row_of(1.0), envelope(version))
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/json"
        assert answer.json()["outputs"][0]["data"] == expected
        assert answer.headers["serval-model-version"] == version


def test_an_invocation_may_be_in_the_words_of_a_task(v2: V2, client: httpx.Client) -> None:
    publish_sentiment(v2.registry, "sentiment")
    tensor = {"name": "text", "datatype": "BYTES", "shape": [2], "data": ["good", "bad"]}
    body = json.dumps({"inputs": [tensor]}).encode()
    answer = invoke(client, body, envelope(model="sentiment"))
    assert answer.status_code == 200, answer.text
    [output] = answer.json()["outputs"]
    labels = [json.loads(one)[0]["label"] for one in output["data"]]
    assert (output["name"], labels) == ("answers", ["POSITIVE", "NEGATIVE"])


def test_a_binary_answer_tells_its_form_by_its_content_type(client: httpx.Client) -> None:
    body, length = binary([[1, 2]])
    answer = invoke(client, body, envelope(header_length=length))
    kind, _, size = answer.headers["content-type"].partition(";json-header-size=")
    assert kind == "application/octet-stream"
    length_of_answer = int(size)
    [output] = json.loads(answer.content[:length_of_answer])["outputs"]
    assert output["parameters"] == {"binary_data_size": 8}
    assert np.frombuffer(answer.content[length_of_answer:], np.float32).tolist() == [2, 3]


def test_an_envelope_that_is_none_is_refused(client: httpx.Client) -> None:
    message = error(invoke(client, row_of(1.0), '{"m": 4}'), 400)
    assert message.startswith("X-Amzn-SageMaker-Custom-Attributes: '{\"m\": 4}' given, a JSON obj")


def test_what_an_invocation_gets_wrong_is_said(client: httpx.Client) -> None:
    assert "has no version '7'" in error(invoke(client, row_of(1.0), envelope("7")), 404)
    assert "not valid JSON" in error(invoke(client, b"{", envelope()), 400)
    assert "input 'x' is missing" in error(invoke(client, b'{"inputs": []}', envelope()), 400)
    beyond = error(invoke(client, b"{}", envelope(header_length=9)), 400)
    assert "the body has 2 bytes" in beyond


def test_infer_answers_by_the_models_route(client: httpx.Client) -> None:
    answer = client.post("/v2/models/adder/infer", content=row_of(1.0))
    assert answer.json() == {
        "model_name": "adder",
        "model_version": "2",
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [1, 2], "data": [3.0, 2.0]}],
    }
    assert answer.headers["server-timing"].startswith("load;dur=")
    again = client.post("/v2/models/adder/infer", content=row_of(1.0))
    assert again.headers["server-timing"].startswith("infer;dur=")


def test_infer_answers_with_the_version_in_its_path_or_its_header(client: httpx.Client) -> None:
    by_path = client.post("/v2/models/adder/versions/1/infer", content=row_of(1.0))
    header = {"serval-model-version": "1"}
    by_header = client.post("/v2/models/adder/infer", content=row_of(1.0), headers=header)
    assert by_path.json()["model_version"] == by_header.json()["model_version"] == "1"


def test_infer_takes_and_gives_binary_tensors_and_takes_them_compressed(
    client: httpx.Client,
) -> None:
    body, length = binary([[1, 2]])
    headers = {"Inference-Header-Content-Length": str(length), "Content-Encoding": "gzip"}
    answer = client.post("/v2/models/adder/infer", content=gzip.compress(body), headers=headers)
    assert answer.headers["content-type"] == "application/octet-stream"
    head = int(answer.headers["inference-header-content-length"])
    assert np.frombuffer(answer.content[head:], np.float32).tolist() == [3, 4]


def test_a_candidate_gets_its_share(v2: V2, client: httpx.Client) -> None:
    v2.registry.routes["adder"] = Route("1", "2", 50, "rollout")
    versions = {
        client.post(
            "/v2/models/adder/infer", content=row_of(1.0), headers={"serval-affinity": str(key)}
        ).json()["model_version"]
        for key in range(30)
    }
    assert versions == {"1", "2"}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v2/health/live", {"live": True, "ready": True}),
        ("/v2/health/ready", {"live": True, "ready": True}),
        ("/v2/models", {"models": ["adder"]}),
        ("/v2/models/adder/ready", {"name": "adder", "ready": True}),
        ("/v2/models/adder/versions/1/ready", {"name": "adder", "ready": True}),
    ],
)
def test_the_protocols_questions_are_answered(
    client: httpx.Client, path: str, expected: dict[str, Any]
) -> None:
    answer = client.get(path)
    assert answer.json() == expected
    assert answer.headers["content-type"] == "application/json"


def test_the_server_and_its_versions_are_described(client: httpx.Client) -> None:
    assert "binary_tensor_data" in client.get("/v2").json()["extensions"]
    described = client.get("/v2/models/adder/versions/1").json()
    assert (described["name"], described["versions"]) == ("adder", ["1"])
    assert described["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}]


def test_what_is_not_there_is_said_in_the_protocols_shape(client: httpx.Client) -> None:
    assert "no route GET /nothing" in error(client.get("/nothing"), 404)
    assert "no route GET /invocations" in error(client.get("/invocations"), 404)
    assert "'other' is not registered" in error(client.get("/v2/models/other/ready"), 404)


def test_a_failure_of_the_servers_own_says_nothing_of_itself(
    v2: V2, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*given: object) -> Model:
        raise KeyError("secret")

    monkeypatch.setattr(v2.gather.memory.loaded, "open_model", breaks)
    answer = client.post("/v2/models/adder/infer", content=row_of(1.0))
    assert error(answer, 500) == "the server failed: its log says why"


def test_invocations_at_the_same_time_share_a_run(v2: V2, client: httpx.Client) -> None:
    release, runs = threading.Event(), []
    client.post("/v2/models/adder/infer", content=row_of(0.0))
    loaded = v2.gather.memory.loaded.find_loaded("adder", "2")
    assert loaded is not None
    run = loaded.model.run

    def counted(inputs: Any, outputs: Any) -> Any:
        runs.append(len(inputs[0].array))
        if len(runs) == 1:
            assert release.wait(WAIT_SECONDS)
        return run(inputs, outputs)

    loaded.model.run = counted  # type: ignore[method-assign]
    with ThreadPoolExecutor(CALLERS) as callers:

        def call(value: float) -> list[float]:
            answer = client.post("/v2/models/adder/infer", content=row_of(value))
            return list(answer.json()["outputs"][0]["data"])

        answers = [callers.submit(call, float(value)) for value in range(CALLERS)]
        with v2.gather._changed:
            while sum(map(len, v2.gather._waiting.values())) + sum(runs) < CALLERS:
                assert not any(answer.done() for answer in answers)
                v2.gather._changed.wait(0.05)
        release.set()
        assert [answer.result()[0] for answer in answers] == [value + 2 for value in range(CALLERS)]
    assert len(runs) <= 2, "the first may have found all of them"
    assert sum(runs) == CALLERS


def test_who_asks_what_cannot_be_run_spoils_nobodys_run(v2: V2, client: httpx.Client) -> None:
    v2.registry.publish("adder", "3", plus(1), signature("FP32", [-1, -1]))
    wide = row_of(1.0).replace(b"[1, 2]", b"[1, 3]").replace(b"[1.0, 0.0]", b"[1.0, 0.0, 0.0]")
    with ThreadPoolExecutor(CALLERS) as callers:
        path = "/v2/models/adder/versions/3/infer"
        bodies = [row_of(1.0) if number % 2 else wide for number in range(CALLERS)]
        answers = list(callers.map(lambda body: client.post(path, content=body), bodies))
    assert [answer.status_code for answer in answers] == [400, 200] * (CALLERS // 2)
