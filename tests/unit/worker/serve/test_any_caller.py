"""The worker as a server for callers who know nothing of our envelope."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from serval.aws.s3.artifact_records import ArtifactRecords
from serval.errors import InvalidParameter
from serval.worker.serve.any_caller import choose_model
from tests.fakes.http_servers import V2
from tests.fakes.inference import plus
from tests.fakes.task_models import publish_sentiment
from tests.fakes.worker import TWO_COLUMNS, row_of

TARGET = "X-Amzn-SageMaker-Target-{}"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[httpx.Client]:
    server = V2(tmp_path, models=("adder", "sentiment"))
    server.registry.publish("adder", "1", plus(1), TWO_COLUMNS)
    server.registry.publish("adder", "2", plus(2), TWO_COLUMNS)
    publish_sentiment(server.registry, "sentiment")
    with (
        server.serving() as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as made,
    ):
        yield made


def invoke(
    client: httpx.Client, body: bytes, kind: str = "application/json", **target: str
) -> httpx.Response:
    named = {TARGET.format(name.capitalize()): value for name, value in target.items()}
    headers = {"content-type": kind, "X-Amzn-SageMaker-Custom-Attributes": "trace=1", **named}
    return client.post("/invocations", content=body, headers=headers)


def test_rows_and_csv_and_tensors_are_answered(client: httpx.Client) -> None:
    rows = invoke(client, b"[[1, 2], [3, 4]]", model="adder", variant="1")
    assert rows.json() == [[2, 3], [4, 5]]
    assert rows.headers["x-amzn-sagemaker-custom-attributes"] == "trace=1"
    assert rows.headers["serval-model-version"] == "1"
    text = invoke(client, b"1,2\n", "text/csv", model="adder", variant="2")
    assert text.json() == [[3, 4]]
    tensors = invoke(client, row_of(1.0), model="adder", variant="1")
    assert tensors.json()["outputs"][0]["data"] == [2, 1]


@pytest.mark.parametrize("attributes", ["{}", '{"trace": 1}', "{", "[1]", "{" * 5000])
def test_attributes_of_their_own_may_be_json(client: httpx.Client, attributes: str) -> None:
    given = {TARGET.format("Model"): "adder", "X-Amzn-SageMaker-Custom-Attributes": attributes}
    answer = client.post("/invocations", content=b"[[1, 2]]", headers=given)
    assert answer.json() == [[3, 4]]
    assert answer.headers["x-amzn-sagemaker-custom-attributes"] == attributes


def test_a_task_answers_in_its_words_or_in_tensors(client: httpx.Client) -> None:
    words = b'{"inputs": ["good", "bad"], "parameters": {"top_k": 1}}'
    answer = invoke(client, words, model="sentiment").json()
    assert [row[0]["label"] for row in answer] == ["POSITIVE", "NEGATIVE"]
    tensor = {"name": "text", "datatype": "BYTES", "shape": [1], "data": ["good"]}
    body = json.dumps({"inputs": [tensor]}).encode()
    [output] = invoke(client, body, model="sentiment").json()["outputs"]
    assert json.loads(output["data"][0])[0]["label"] == "POSITIVE"


def test_of_several_models_one_has_to_be_named(client: httpx.Client) -> None:
    named: list[dict[str, str]] = [{}, {"model": "absent"}]
    for target in named:
        answer = invoke(client, b"[[1, 2]]", **target)
        assert answer.status_code == 400, answer.text
        assert "x-amzn-sagemaker-target-model" in answer.json()["error"]


def test_a_server_that_lacks_models_or_routes_says_what_it_takes() -> None:
    with pytest.raises(InvalidParameter, match="'adder' given, a server of a fleet's models exp"):
        choose_model({"x-amzn-sagemaker-target-model": "adder"}, [])
    with pytest.raises(InvalidParameter, match=r"Target-Variant of an invocation, expected$"):
        ArtifactRecords(None, "artifacts").route("adder")  # type: ignore[arg-type]
