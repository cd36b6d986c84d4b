"""``POST /models/{model}`` of a handler: bodies of its own, in the function deployed for it."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from serval.handlers.declaration import MIB, HandlerLimits
from serval.handlers.deployed import LOCK, PACKAGES, DeployedPackages, own_opening
from serval.handlers.opening import HandlerOpening
from tests.fakes.inference import Bench, answer, bench, event, refusal, task_event
from tests.fakes.protocol_calls import call
from tests.fakes.secrets import InMemorySecrets

CODE = b"""
import shelf_words

class EndpointHandler:
    def __init__(self, path=""):
        pass

    def __call__(self, data):
        if data == {"fail": True}:
            raise LookupError("a secret")
        if data == {"bytes": True}:
            return b"RIFF"
        if data == {"size": True}:
            return "x" * 7_000_000
        return [shelf_words.WORD, str(data)]
"""
JSON = "application/json"


@pytest.fixture
def function(tmp_path: Path) -> Path:
    """Make the part of a function's code that a deploy adds."""
    folder = tmp_path / "function" / "handler"
    (folder / PACKAGES).mkdir(parents=True)
    (folder / PACKAGES / "shelf_words.py").write_text("WORD = 'a package of its own'")
    (folder / LOCK).write_bytes(b"")
    return folder


@pytest.fixture
def ready(tmp_path: Path, function: Path) -> Bench:
    made = bench(tmp_path / "loaded")
    made.edge.grant("srv_good")
    made.edge.publish_handler("shelf", CODE)
    loaded = made.endpoint.inference.loaded
    limits = HandlerLimits(256 * MIB, 20, 20)
    packages = DeployedPackages(function).of
    handlers = HandlerOpening(packages, made.log.append, InMemorySecrets(), limits)
    loaded.open_model = own_opening(handlers, loaded.open_model)
    return made


def post(ready: Bench, body: str | bytes, **headers: str) -> dict[str, Any]:
    return dict(ready.endpoint.reply(task_event("shelf", body, **headers)))


def test_a_body_goes_to_the_handler_and_its_answer_comes_back(ready: Bench) -> None:
    reply = post(ready, '{"inputs": "é"}', content_type=JSON)
    assert json.loads(reply["body"]) == ["a package of its own", "{'inputs': 'é'}"]
    assert reply["headers"]["content-type"] == JSON
    assert reply["headers"]["serval-model-version"] == "1"
    assert reply["headers"]["server-timing"].startswith("load;dur=")


def test_bytes_and_answers_in_bytes_stay_what_they_are(ready: Bench) -> None:
    reply = post(ready, b"\x00\xff", content_type="application/octet-stream")
    assert json.loads(reply["body"])[1] == str({"inputs": b"\x00\xff"})
    reply = post(ready, '{"bytes": true}', content_type=JSON, accept="audio/wav")
    assert reply["isBase64Encoded"]
    assert base64.b64decode(reply["body"]) == b"RIFF"
    assert reply["headers"]["content-type"] == "audio/wav"


def test_an_exception_is_a_500_with_its_type_alone(ready: Bench) -> None:
    said = refusal(post(ready, '{"fail": true}', content_type=JSON), 500)
    assert said == (
        "model 'shelf' version '1' failed: handler.py raised LookupError in line 10 of handler.py"
    )


def test_what_the_caller_has_to_mend_is_a_400(ready: Bench) -> None:
    said = refusal(post(ready, '{"inp', content_type=JSON), 400)
    assert said.startswith("the body is not JSON: ")


def test_an_answer_that_does_not_fit_lambda_is_refused(ready: Bench) -> None:
    said = refusal(post(ready, '{"size": true}', content_type=JSON), 413)
    assert said.endswith("take the answer compressed (Accept-Encoding: gzip)")


def test_the_protocols_route_takes_bodies_as_bytes(ready: Bench) -> None:
    tensor = {"name": "body", "datatype": "BYTES", "shape": [2], "data": ["1", '"b"']}
    reply = answer(ready.endpoint.reply(event("shelf", json.dumps({"inputs": [tensor]}))))
    output, types = reply["outputs"]
    assert (output["name"], output["shape"]) == ("answer", [2])
    assert [json.loads(one)[1] for one in output["data"]] == ["1", "b"]
    assert (types["name"], types["data"]) == ("content_type", ["application/json"] * 2)


def test_a_version_with_other_packages_needs_a_deploy(ready: Bench, function: Path) -> None:
    (function / LOCK).write_bytes(b"another")
    said = refusal(post(ready, "{}", content_type=JSON), 503)
    assert "requirements.lock is not the one that the function was deployed with" in said


def test_other_protocols_call_it_as_the_hub_s_clients_do(ready: Bench) -> None:
    body = {"instances": ["a", {"b": 1}], "parameters": {"k": 2}}
    answer = call(ready, "/v1/models/shelf:predict", body)
    asked = "{'inputs': ['a', {'b': 1}], 'parameters': {'k': 2}}"
    assert answer.json == {"predictions": ["a package of its own", asked]}
    frame = {"dataframe_records": [{"a": 1}]}
    scored = call(ready, "/mlflow/shelf/invocations", frame)
    assert scored.json["predictions"][1] == "{'inputs': [{'a': 1}]}"
    invoked = call(ready, "/endpoints/shelf/invocations", {"as": "it is"}, content_type=JSON)
    assert invoked.json[1] == "{'as': 'it is'}"
