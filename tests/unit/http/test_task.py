"""The task of a model over HTTP: what people have, in and out."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.inference import Bench, bench, event, plus, signature, task_event
from tests.fakes.task_models import (
    SENTIMENT,
    publish_sentiment,
    sentiment_config,
    sentiment_graph,
)


@pytest.fixture
def ready(tmp_path: Path) -> Bench:
    made = bench(tmp_path)
    made.edge.grant("srv_good")
    publish_sentiment(made.edge, "sentiment")
    return made


def ask(ready: Bench, body: Any, **headers: str) -> Any:
    sent = body if isinstance(body, str | bytes) else json.dumps(body)
    reply = ready.endpoint.reply(task_event("sentiment", sent, **headers))
    assert reply["statusCode"] == 200, reply
    return json.loads(reply["body"])


def refusal(ready: Bench, body: Any, **headers: str) -> str:
    sent = body if isinstance(body, str | bytes) else json.dumps(body)
    reply = ready.endpoint.reply(task_event("sentiment", sent, **headers))
    assert reply["statusCode"] == 400, reply
    return str(json.loads(reply["body"])["error"])


def test_a_sentence_is_answered_with_labels_the_best_first(ready: Bench) -> None:
    [answer] = ask(ready, {"inputs": "good good bad", "parameters": {}})
    assert [one["label"] for one in answer] == ["POSITIVE", "NEGATIVE"]
    assert answer[0]["score"] == pytest.approx(0.7310586)


def test_a_list_of_sentences_is_answered_with_a_list(ready: Bench) -> None:
    answer = ask(ready, {"inputs": ["good", "bad bad"], "parameters": {"top_k": 1}})
    assert [[one["label"] for one in row] for row in answer] == [["POSITIVE"], ["NEGATIVE"]]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("good", "text/plain"),
        (b"good", ""),
        (b"good", "application/octet-stream"),
        ('"good"', "application/json"),
        ('["good"]', "text/plain"),
    ],
)
def test_text_may_come_as_it_is(ready: Bench, body: Any, content_type: str) -> None:
    headers = {"content_type": content_type} if content_type else {}
    answer = ask(ready, body, **headers)
    assert answer[0][0]["label"] == "POSITIVE"


def test_parameters_may_lie_beside_the_inputs(ready: Bench) -> None:
    assert len(ask(ready, {"inputs": "good", "top_k": 1})[0]) == 1


def test_a_body_may_be_compressed(ready: Bench) -> None:
    body = gzip.compress(b'{"inputs": "bad"}')
    assert ask(ready, body, content_encoding="gzip")[0][0]["label"] == "NEGATIVE"


def test_the_reply_names_its_version_and_how_long_it_took(ready: Bench) -> None:
    reply = ready.endpoint.reply(task_event("sentiment", '{"inputs": "good"}', version="1"))
    assert reply["headers"]["serval-model-version"] == "1"
    assert "load;dur=" in reply["headers"]["server-timing"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"input": "good"}, "'inputs' is missing"),
        ({"inputs": 3}, "'inputs': 3 given, a text expected"),
        ({"inputs": ["good", None]}, "input 1: null given, a text expected"),
        ({"inputs": []}, "0 inputs given, 1 to 1024 expected"),
        ({"inputs": "good", "parameters": [1]}, "an object expected"),
        ({"inputs": "good", "parameters": {"topk": 1}}, "function_to_apply, top_k expected"),
        ({"inputs": "good", "parameters": {"top_k": 0}}, "an integer from 1"),
        ({"inputs": "good", "parameters": {"top_k": True}}, "an integer from 1"),
        (17, "17 given"),
    ],
)
def test_what_a_task_cannot_take_is_refused_in_its_words(
    ready: Bench, body: Any, words: str
) -> None:
    assert words in refusal(ready, body, content_type="application/json")


def test_bytes_that_are_no_text_are_refused(ready: Bench) -> None:
    assert "the text is not UTF-8" in refusal(ready, b"\xff\xfe")


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"good " * 101_000, {}),
        (gzip.compress(b'{"inputs": "%b"}' % (b"good " * 101_000)), {"content_encoding": "gzip"}),
        (json.dumps({"inputs": ["good " * 60_000] * 2}), {"content_type": "application/json"}),
    ],
)
def test_more_text_than_memory_holds_tokens_of_is_refused(
    ready: Bench, body: Any, headers: dict[str, str]
) -> None:
    reply = ready.endpoint.reply(task_event("sentiment", body, **headers))
    assert reply["statusCode"] == 400
    assert "at most 500000 allowed; send fewer or shorter inputs" in reply["body"]


def test_a_task_s_tensor_of_another_shape_is_refused_by_its_own_name(ready: Bench) -> None:
    text = {"name": "text", "datatype": "BYTES", "shape": [1, 1], "data": ["good"]}
    reply = ready.endpoint.reply(event("sentiment", json.dumps({"inputs": [text]})))
    assert reply["statusCode"] == 400
    assert "tensor 'text': shape [1, 1] given, [-1] expected" in json.loads(reply["body"])["error"]


def test_a_model_without_a_task_says_where_its_tensors_go(ready: Bench) -> None:
    ready.edge.publish("adder", "1", plus(1), signature("FP32", [-1, 2]))
    reply = ready.endpoint.reply(task_event("adder", '{"inputs": "good"}'))
    assert reply["statusCode"] == 400
    assert "POST /v2/models/adder/infer" in json.loads(reply["body"])["error"]


def test_a_task_without_its_tokenizer_names_the_file(ready: Bench) -> None:
    ready.edge.publish_task(
        "bare",
        sentiment_graph(),
        SENTIMENT,
        {"name": "text-classification"},
        config=sentiment_config(),
    )
    reply = ready.endpoint.reply(task_event("bare", '{"inputs": "good"}'))
    assert reply["statusCode"] == 503
    assert "no tokenizer.json" in json.loads(reply["body"])["error"]


def v2(ready: Bench, *inputs: dict[str, Any]) -> dict[str, Any]:
    reply = ready.endpoint.reply(event("sentiment", json.dumps({"inputs": list(inputs)})))
    assert reply["statusCode"] == 200, reply
    return dict(json.loads(reply["body"])["outputs"][0])


def test_v2_takes_text_too_and_answers_in_json(ready: Bench) -> None:
    texts = {"name": "text", "datatype": "BYTES", "shape": [2], "data": ["good", "bad"]}
    one = {"name": "parameters", "datatype": "BYTES", "shape": [1], "data": ['{"top_k": 1}']}
    output = v2(ready, texts, one)
    assert (output["name"], output["datatype"], output["shape"]) == ("answers", "BYTES", [2])
    assert [json.loads(row)[0]["label"] for row in output["data"]] == ["POSITIVE", "NEGATIVE"]


def test_v2_still_takes_tensors(ready: Bench) -> None:
    ids = {"name": "input_ids", "datatype": "INT64", "shape": [1, 2], "data": [2, 2]}
    assert v2(ready, ids)["data"] == [0.0, 2.0]


def test_v2_refuses_what_is_neither_in_the_words_of_the_tensors(ready: Bench) -> None:
    body = {"inputs": [{"name": "words", "datatype": "BYTES", "shape": [1], "data": ["good"]}]}
    reply = ready.endpoint.reply(event("sentiment", json.dumps(body)))
    assert reply["statusCode"] == 400
    assert "the model takes input_ids" in json.loads(reply["body"])["error"]
