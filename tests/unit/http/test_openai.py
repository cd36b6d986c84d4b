"""OpenAI's API over HTTP: which model, which version, and errors in its own shape."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from serval.models.route import Route
from tests.fakes.inference import Bench, bench, event, plus, signature
from tests.fakes.task_models import publish_recorded

TEMPLATE = "{% for m in messages %}{{ m.role[0] }}: {{ m.content }}\n{% endfor %}a:"
HELLO = [{"role": "user", "content": "Hi"}]


@pytest.fixture
def ready(tmp_path: Path) -> Bench:
    made = bench(tmp_path)
    made.edge.grant("srv_good")
    publish_recorded(made.edge, "gpt", "gpt2", "text-generation", chat_template=TEMPLATE)
    return made


def post(path: str, body: Any, **headers: str) -> dict[str, Any]:
    """Make an event; a path below a model's has its name as a parameter."""
    text = body if isinstance(body, str | None) else json.dumps(body)
    made = event("", text, **headers)
    made["requestContext"]["http"]["path"] = path
    model = path.split("/")[2] if path.startswith("/models/") else None
    return made | {"rawPath": path, "pathParameters": {"model": model} if model else None}


def answered(reply: dict[str, Any]) -> Any:
    assert reply["statusCode"] == 200, reply
    return json.loads(reply["body"])


def refused(reply: dict[str, Any], status: int) -> dict[str, Any]:
    assert reply["statusCode"] == status, reply
    assert reply["headers"]["content-type"] == "application/json"
    body = json.loads(reply["body"])
    assert list(body) == ["error"]
    assert list(body["error"]) == ["message", "type", "param", "code"]
    return dict(body["error"])


def test_the_body_names_the_model(ready: Bench) -> None:
    body = {"model": "gpt", "messages": HELLO, "max_tokens": 3}
    reply = ready.endpoint.reply(post("/v1/chat/completions", body))
    answer = answered(reply)
    assert answer["model"] == "gpt"
    assert answer["id"] == "chatcmpl-request-1"
    assert answer["created"] > 1_700_000_000
    assert reply["headers"]["serval-model-version"] == "1"
    assert "infer;dur=" in reply["headers"]["server-timing"]
    assert answered(ready.endpoint.reply(post("/v1/chat/completions/", body)))["choices"]


def test_below_a_models_path_the_path_names_it(ready: Bench) -> None:
    body = {"model": "dummy", "prompt": "Dogs", "max_tokens": 3}
    answer = answered(ready.endpoint.reply(post("/models/gpt/v1/completions", body)))
    assert answer["model"] == "gpt"
    assert answer["object"] == "text_completion"
    del body["model"]
    assert answered(ready.endpoint.reply(post("/models/gpt/v1/completions", body)))


def test_embeddings_are_answered(ready: Bench) -> None:
    publish_recorded(
        ready.edge, "embed", "feature-extraction-cls", "feature-extraction", padding_side="right"
    )
    ready.edge.records["embed", "1"] = replace(
        ready.edge.records["embed", "1"],
        bundle={"task": {"name": "feature-extraction", "pooling": "cls"}},
    )
    body = {"model": "embed", "input": ["a dog"], "encoding_format": "float"}
    answer = answered(ready.endpoint.reply(post("/v1/embeddings", body)))
    assert len(answer["data"][0]["embedding"]) == 8


def test_a_header_or_the_route_chooses_the_version(ready: Bench) -> None:
    body = {"model": "gpt", "prompt": "Dogs", "max_tokens": 2}
    for path in ("/v1/completions", "/models/gpt/v1/completions"):
        error = refused(ready.endpoint.reply(post(path, body, serval_model_version="9")), 404)
        assert error["code"] == "model_not_found"
        assert "has no version '9'" in error["message"]


def test_a_rollout_is_counted_and_its_failures_are_answered_by_the_stable_version(
    ready: Bench,
) -> None:
    ready.edge.records["gpt", "2"] = replace(ready.edge.records["gpt", "1"], version="2")
    ready.edge.routes["gpt"] = Route("1", "2", 100, "rollout", 2)
    body = {"model": "gpt", "prompt": "Dogs", "max_tokens": 2}
    reply = ready.endpoint.reply(post("/v1/completions", body))
    assert reply["headers"]["serval-model-version"] == "1"
    assert answered(reply)["system_fingerprint"] == "version-1"
    ready.endpoint.metrics.flush()
    lines = [json.loads(line) for line in ready.printed]
    tracks = {line["Track"]: line for line in lines}
    assert tracks["candidate"]["Errors"] == 1


@pytest.mark.parametrize(
    ("path", "body", "status", "param", "code", "words"),
    [
        ("/v1/chat/completions", {"messages": HELLO}, 400, "model", None, "the name of a model"),
        ("/v1/chat/completions", "{", 400, None, None, "the body is not valid JSON"),
        ("/v1/chat/completions", "[]", 400, None, None, "an object with 'model' expected"),
        ("/v1/chat/completions", None, 400, None, None, "the body is empty"),
        (
            "/v1/chat/completions",
            {"model": "absent", "messages": HELLO},
            404,
            "model",
            "model_not_found",
            "'absent' is not registered",
        ),
        (
            "/v1/chat/completions",
            {"model": "gpt", "messages": HELLO, "stream": "yes"},
            400,
            "stream",
            None,
            "'yes' given, true or false expected",
        ),
        (
            "/v1/completions",
            {"model": "gpt", "prompt": "Dogs", "max_tokens": 99},
            400,
            None,
            "context_length_exceeded",
            "48 positions",
        ),
        ("/v1/embeddings", {"model": "gpt", "input": "a"}, 400, None, None, "POST /models/gpt"),
        ("/v1/images", {"model": "gpt"}, 404, None, None, "there is POST /v1/chat/completions"),
        ("/models/gpt/v1/foo", {"model": "gpt"}, 404, None, None, "POST /v1/embeddings"),
    ],
)
def test_errors_have_their_parameter_and_code(
    ready: Bench, path: str, body: Any, status: int, param: str, code: str, words: str
) -> None:
    error = refused(ready.endpoint.reply(post(path, body)), status)
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, code)
    assert words in error["message"]


@pytest.mark.parametrize("body", [{"model": "gpt", "messages": HELLO}, "{", None])
def test_a_stranger_learns_nothing_of_the_body(ready: Bench, body: Any) -> None:
    error = refused(ready.endpoint.reply(post("/v1/chat/completions", body, x_api_key="no")), 401)
    assert error["code"] == "invalid_api_key"


def test_a_model_out_of_scope_is_refused_in_the_same_shape(ready: Bench) -> None:
    ready.edge.grant("srv_other", "iris")
    body = {"model": "gpt", "messages": HELLO}
    error = refused(
        ready.endpoint.reply(post("/v1/chat/completions", body, x_api_key="srv_other")), 403
    )
    assert "no scope for model 'gpt'" in error["message"]


def test_a_failure_of_the_stage_is_a_servers_error(ready: Bench) -> None:
    ready.edge.silent = True
    body = {"model": "gpt", "messages": HELLO}
    error = refused(ready.endpoint.reply(post("/v1/chat/completions", body)), 503)
    assert error["type"] == "server_error"


def test_a_version_with_a_broken_template_cannot_be_opened(ready: Bench) -> None:
    publish_recorded(
        ready.edge, "broken", "gpt2", "text-generation", chat_template="{% for m in messages %}"
    )
    reply = ready.endpoint.reply(post("/v1/completions", {"model": "broken", "prompt": "a"}))
    message = refused(reply, 503)["message"]
    assert "tokenizer_config.json: the chat template fails: " in message


def test_a_model_of_tensors_says_where_they_go(ready: Bench) -> None:
    ready.edge.publish("adder", "1", plus(1), signature("FP32", [-1, 2]))
    body = {"model": "adder", "messages": HELLO}
    error = refused(ready.endpoint.reply(post("/v1/chat/completions", body)), 400)
    assert "POST /v2/models/adder/infer" in error["message"]


def test_a_long_parameter_is_not_sent_back_whole(ready: Bench) -> None:
    reply = ready.endpoint.reply(post("/v1/completions", {"model": "gpt", "a" * 5000: 1}))
    error = refused(reply, 400)
    assert error["param"].startswith("'aaa")
    assert len(json.dumps(error)) < 2000
