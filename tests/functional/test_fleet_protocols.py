"""Models on a fleet in every protocol: from the event of a call, through a worker, to its reply."""

import base64
import io
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serval.models.route import Route
from serval.models.signature import Signature, TensorSpec
from tests.fakes.fleet_calls import SPEAKER, Fleet
from tests.fakes.http_servers import CompletionsServer, running
from tests.fakes.inference import plus, signature
from tests.fakes.submission import call, refusal
from tests.fakes.task_models import publish_recorded, publish_sentiment

V1, SAGEMAKER = "/v1/models/textgen:predict", "/endpoints/textgen/invocations"
MLFLOW, CHAT = "/mlflow/textgen/invocations", "/v1/chat/completions"
TEMPLATE = "{% for m in messages %}{{ m.role[0] }}: {{ m.content }}\n{% endfor %}a:"
HELLO = [{"role": "user", "content": "Hi"}]
PROMPTS = Signature((TensorSpec("prompt", "BYTES", (-1,)),), (TensorSpec("text", "BYTES", (-1,)),))


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


@pytest.fixture
def adder(fleet: Fleet) -> Fleet:
    fleet.registry.publish("textgen", "1", plus(1), signature("FP32", [-1, 2]))
    return fleet


def sent(reply: Mapping[str, Any], status: int = 200) -> Any:
    assert reply["statusCode"] == status, reply
    return json.loads(reply["body"])


def npy(rows: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, np.array(rows, np.float32))
    return file.getvalue()


@pytest.mark.parametrize(
    ("path", "kind", "body", "expected"),
    [
        (V1, "json", {"instances": [[1, 2], [3, 4]]}, {"predictions": [[2, 3], [4, 5]]}),
        (V1, "json", {"inputs": {"x": [[1, 2]]}}, {"predictions": [[2, 3]]}),
        (SAGEMAKER, "json", [[1, 2]], [[2, 3]]),
        (SAGEMAKER, "x-npy", npy([[1, 2]]), [[2, 3]]),
        (MLFLOW, "json", {"inputs": [[1, 2]]}, {"predictions": [[2, 3]]}),
        (
            MLFLOW,
            "json",
            {"dataframe_split": {"data": [[1, 2]]}},
            {"predictions": [[2, 3]]},
        ),
    ],
)
def test_tensors_on_a_fleet_are_taken_and_given_as_on_lambda(
    adder: Fleet, path: str, kind: str, body: Any, expected: Any
) -> None:
    reply = adder.post(body, path, content_type=f"application/{kind}")
    assert sent(reply) == expected
    assert reply["headers"]["serval-model-version"] == "1"
    assert reply["headers"]["server-timing"].startswith("queue;dur=")


def test_csv_comes_and_goes_through_a_queue(adder: Fleet) -> None:
    reply = adder.post("1,2\n3,4\n", SAGEMAKER, content_type="text/csv", accept="text/csv")
    assert base64.b64decode(reply["body"]) == b"2.0,3.0\n4.0,5.0\n"


def test_a_candidate_that_answers_is_the_variant_that_sagemaker_names(adder: Fleet) -> None:
    adder.registry.publish("textgen", "2", plus(2), signature("FP32", [-1, 2]))
    adder.registry.routes["textgen"] = Route("1", "2", percent=100)
    reply = adder.post([[1, 2]], SAGEMAKER, content_type="application/json")
    assert sent(reply) == [[3, 4]]
    assert reply["headers"]["x-amzn-invoked-production-variant"] == "2"
    named = adder.post(
        [[1, 2]],
        SAGEMAKER,
        content_type="application/json",
        x_amzn_sagemaker_target_variant="1",
    )
    assert sent(named) == [[2, 3]]
    assert named["headers"]["x-amzn-invoked-production-variant"] == "1"


def test_a_task_answers_v1_with_its_own_answers(fleet: Fleet) -> None:
    publish_sentiment(fleet.registry, "textgen")
    [[best]] = sent(fleet.post({"instances": ["good"], "parameters": {"top_k": 1}}, V1))[
        "predictions"
    ]
    assert best["label"] == "POSITIVE"
    fleet.registry.publish_handler("textgen", SPEAKER)


def test_a_handler_is_called_by_sagemakers_path(fleet: Fleet) -> None:
    fleet.registry.publish_handler("textgen", SPEAKER)
    reply = fleet.post({"inputs": "hum"}, SAGEMAKER, content_type="application/json")
    assert sent(reply) == {"heard": {"inputs": "hum"}}


@pytest.mark.parametrize(
    ("path", "body", "named"),
    [
        (CHAT, {"messages": HELLO, "max_tokens": 4}, "textgen"),
        ("/models/textgen" + CHAT, {"messages": HELLO, "max_tokens": 4, "n": 2}, None),
        ("/v1/completions", {"prompt": "Dogs", "max_tokens": 4, "logprobs": 1}, "textgen"),
    ],
)
def test_a_generator_on_a_fleet_answers_openai_as_on_lambda(
    fleet: Fleet, path: str, body: dict[str, Any], named: str | None
) -> None:
    publish_recorded(fleet.registry, "textgen", "gpt2", "text-generation", chat_template=TEMPLATE)
    reply = fleet.post(body | ({"model": named} if named else {}), path)
    answer = sent(reply)
    assert answer["model"] == "textgen"
    assert answer["id"].partition("-")[2] == reply_id(fleet)
    assert len(answer["choices"]) == body.get("n", 1)
    assert answer["usage"]["completion_tokens"] == 4 * len(answer["choices"])
    assert answer["system_fingerprint"] == "version-1"


def chunks(reply: Mapping[str, Any]) -> list[Any]:
    """Read the chunks of a stream."""
    assert reply["headers"]["content-type"] == "text/event-stream"
    *data, done, rest = base64.b64decode(reply["body"]).decode().split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    return [json.loads(one.removeprefix("data: ")) for one in data]


@pytest.mark.parametrize(
    ("path", "body"), [(CHAT, {"messages": HELLO}), ("/v1/completions", {"prompt": "Dogs"})]
)
def test_a_stream_of_a_fleets_model_has_the_chunks_of_its_whole_answer(
    fleet: Fleet, path: str, body: dict[str, Any]
) -> None:
    publish_recorded(fleet.registry, "textgen", "gpt2", "text-generation", chat_template=TEMPLATE)
    body |= {"model": "textgen", "max_tokens": 4, "n": 2}
    whole = sent(fleet.post(body, path))
    wish = {"stream": True, "stream_options": {"include_usage": True}}
    *told, last = chunks(fleet.post(body | wish, path))
    assert (last["choices"], last["usage"]) == ([], whole["usage"])
    for choice in whole["choices"]:
        own = [one for chunk in told for one in chunk["choices"] if one["index"] == choice["index"]]
        text = "".join(
            one["delta"].get("content", "") if "delta" in one else one["text"] for one in own
        )
        assert text == (choice["message"]["content"] if "message" in choice else choice["text"])
        assert own[-1]["finish_reason"] == choice["finish_reason"]


def reply_id(fleet: Fleet) -> str:
    return str(call("wait")["requestContext"]["requestId"])


def test_embeddings_of_a_fleet_have_the_form_that_is_asked_for(fleet: Fleet) -> None:
    publish_recorded(fleet.registry, "textgen", "feature-extraction-mean", "feature-extraction")
    key = ("textgen", "1")
    bundle = {"task": {"name": "feature-extraction", "pooling": "mean"}}
    fleet.registry.records[key] = replace(fleet.registry.records[key], bundle=bundle)
    body = {"model": "textgen", "input": ["a", "b"], "encoding_format": "base64"}
    first, second = sent(fleet.post(body, "/v1/embeddings"))["data"]
    assert (first["index"], second["index"]) == (0, 1)
    assert np.linalg.norm(np.frombuffer(base64.b64decode(first["embedding"]), "<f4")) == (
        pytest.approx(1.0, abs=1e-6)
    )


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"messages": HELLO, "max_tokens": 0}, "parameter 'max_tokens'"),
        ({"messages": []}, "parameter 'messages'"),
        ({"messages": HELLO, "tools": [{}]}, "the model calls no tools"),
        ({"messages": [{"role": "user", "content": "\ud800"}]}, "surrogates not allowed"),
    ],
)
def test_what_the_worker_refuses_has_openais_shape(
    fleet: Fleet, body: dict[str, Any], words: str
) -> None:
    publish_recorded(fleet.registry, "textgen", "gpt2", "text-generation", chat_template=TEMPLATE)
    error = sent(fleet.post(body | {"model": "textgen"}, CHAT), 400)["error"]
    assert words in error["message"]
    assert error["type"] == "invalid_request_error"


def test_a_parameter_that_only_the_worker_can_refuse_is_named_to_openais_clients(
    fleet: Fleet,
) -> None:
    publish_recorded(fleet.registry, "textgen", "gpt2", "text-generation", chat_template=TEMPLATE)
    body = {"model": "textgen", "messages": HELLO, "chat_template_kwargs": {"messages": []}}
    error = sent(fleet.post(body, CHAT), 400)["error"]
    [row] = fleet.bench.store.rows.values()
    assert (row.status, row.error) == ("failed", error["message"])
    assert (error["param"], error["code"]) == ("chat_template_kwargs", None)


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        (CHAT, {"messages": HELLO, "max_tokens": 0}, "parameter 'max_tokens'"),
        (CHAT, {"messages": HELLO, "tools": [{}]}, "the model calls no tools"),
        (CHAT, {"messages": HELLO, "temperature": "hot"}, "parameter 'temperature'"),
        (CHAT, {"messages": HELLO, "prompt": "Dogs"}, "parameter 'prompt'"),
        (CHAT, {"messages": HELLO, "n": 99, "stream": True}, "parameter 'n'"),
        ("/v1/completions", {"prompt": "Dogs", "num_beams": 0}, "parameter 'num_beams'"),
        ("/v1/embeddings", {"input": "Dogs"}, "embeddings need 'feature-extraction'"),
    ],
)
def test_what_no_model_of_the_task_answers_wakes_no_fleet(
    fleet: Fleet, path: str, body: dict[str, Any], words: str
) -> None:
    publish_recorded(fleet.registry, "textgen", "gpt2", "text-generation", chat_template=TEMPLATE)
    fleet.bench.time.meanwhile = lambda: None  # the fleet sleeps
    error = sent(fleet.post(body | {"model": "textgen"}, path), 400)["error"]
    assert words in error["message"]
    assert (fleet.bench.store.rows, fleet.bench.woken.asked) == ({}, [])


def test_a_model_of_tensors_is_no_chat(adder: Fleet) -> None:
    error = sent(adder.post({"model": "textgen", "messages": HELLO}, CHAT), 400)["error"]
    assert "has no task, and calls of OpenAI's API need 'text-generation'" in error["message"]


def test_an_inference_server_gets_the_body_as_it_is_and_names_the_model_as_it_was_asked(
    fleet: Fleet,
) -> None:
    fleet.registry.publish("textgen", "1", b"", PROMPTS)
    key = ("textgen", "1")
    bundle = {"runtime": {"kind": "http", "protocol": "openai"}}
    record = fleet.registry.records[key]
    fleet.registry.records[key] = replace(record, runtime="http", bundle=bundle)
    server = CompletionsServer()
    tools = [{"type": "function", "function": {"name": "weather"}}]
    body = {"model": "textgen", "messages": HELLO, "tools": tools, "top_k": 3}
    with running(server.app()) as port:
        fleet.world.port = port
        answer = sent(fleet.post(body, CHAT))
        text = sent(fleet.post({"model": "textgen", "prompt": "abc"}, "/v1/completions"))
        streamed = fleet.post(body | {"stream": True}, CHAT)
        rows = fleet.post({"instances": ["abc"]}, V1)
    assert server.asked[0] == body | {"model": "gpt"}
    [choice] = answer["choices"]
    assert choice["message"]["tool_calls"][0]["function"]["name"] == "weather"
    assert answer["model"] == text["model"] == "textgen"
    assert text["choices"][0]["text"] == "cba"
    called, ended = chunks(streamed)
    [tool] = called["choices"][0]["delta"]["tool_calls"]
    assert (tool["index"], tool["function"]["name"]) == (0, "weather")
    assert ended["choices"][0]["finish_reason"] == "stop"
    assert sent(rows) == {"predictions": ["cba"]}


def test_a_call_that_takes_too_long_is_not_sent_again_by_clients(adder: Fleet) -> None:
    adder.bench.time.meanwhile = lambda: None
    late = adder.post([[1, 2]], SAGEMAKER, content_type="application/json")
    document = sent(late, 424)
    assert document["OriginalStatusCode"] == 503
    assert f"GET /async/requests/{late['headers']['serval-request-id']}" in document["Message"]
    body = {"model": "textgen", "messages": HELLO}
    bundle = {"task": {"name": "text-generation"}}
    key = ("textgen", "1")
    adder.registry.records[key] = replace(adder.registry.records[key], bundle=bundle)
    late = adder.post(body, CHAT)
    assert "the work goes on" in sent(late, 503)["error"]["message"]
    assert late["headers"]["x-should-retry"] == "false"


def test_what_a_path_does_not_have_is_refused_in_its_protocol(adder: Fleet) -> None:
    assert "no route" in sent(adder.post({}, "/v1/chat/other"), 404)["error"]["message"]
    assert refusal(adder.post({"instances": [[1]]}, V1), 400)
