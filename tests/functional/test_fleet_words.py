"""Tasks and handlers on a fleet: from the event of a call, through a worker, to its reply."""

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from serval.handlers.signature import HANDLER_SIGNATURE
from tests.fakes.fleet_calls import SPEAKER, Fleet
from tests.fakes.submission import call, refusal
from tests.fakes.task_models import SENTIMENT, publish_sentiment, sentiment_graph


@pytest.fixture
def sentiment(tmp_path: Path) -> Fleet:
    fleet = Fleet(tmp_path)
    publish_sentiment(fleet.registry, "textgen")
    return fleet


@pytest.fixture
def speaker(tmp_path: Path) -> Fleet:
    fleet = Fleet(tmp_path)
    fleet.registry.publish_handler("textgen", SPEAKER)
    return fleet


def labels(reply: dict[str, Any]) -> list[list[str]]:
    assert reply["statusCode"] == 200, reply
    return [[one["label"] for one in answer] for answer in json.loads(reply["body"])]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"inputs": "good"}, [["POSITIVE", "NEGATIVE"]]),
        ({"inputs": ["good", "bad"], "top_k": 1}, [["POSITIVE"], ["NEGATIVE"]]),
        ({"inputs": {"text": "good"}}, [["POSITIVE", "NEGATIVE"]]),
        (
            {"inputs": ["bad", {"text": "good"}]},
            [["NEGATIVE", "POSITIVE"], ["POSITIVE", "NEGATIVE"]],
        ),
        ("good", [["POSITIVE", "NEGATIVE"]]),
        (b"bad", [["NEGATIVE", "POSITIVE"]]),
    ],
)
def test_a_task_on_a_fleet_takes_and_answers_what_it_does_on_lambda(
    sentiment: Fleet, body: Any, expected: list[list[str]]
) -> None:
    kind = {} if isinstance(body, dict) else {"content_type": "text/plain"}
    reply = sentiment.post(body, **kind)
    assert labels(reply) == expected
    assert reply["headers"]["content-type"] == "application/json"
    assert reply["headers"]["serval-model-version"] == "1"
    assert reply["headers"]["server-timing"].startswith("queue;dur=")


def test_a_version_in_the_path_is_the_one_that_answers(sentiment: Fleet) -> None:
    reply = sentiment.post({"inputs": "good"}, "/models/textgen/versions/1")
    assert labels(reply) == [["POSITIVE", "NEGATIVE"]]
    assert sentiment.bench.row.wanted == "1"
    unknown = sentiment.post({"inputs": "good"}, "/models/textgen/versions/7")
    assert "no version '7'" in refusal(unknown, 404)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"inputs": "good", "temperature": 1}, "function_to_apply, top_k expected"),
        ({"inputs": "good", "top_k": 0}, "an integer from 1"),
        ({"inputs": 3}, "'inputs': 3 given, a text expected"),
        ({"inputs": []}, "0 inputs given, 1 to 1024 expected"),
        ({"text": "good"}, "'inputs' is missing"),
        ({"inputs": "\ud800"}, "surrogates not allowed"),
        ({"inputs": "good " * 101_000}, "at most 500000 allowed"),
        ("{", "not valid JSON"),
    ],
)
def test_what_the_task_does_not_take_is_refused_in_its_words(
    sentiment: Fleet, body: Any, words: str
) -> None:
    sentiment.bench.time.meanwhile = lambda: None  # the fleet sleeps
    assert words in refusal(sentiment.post(body), 400)
    assert_nothing_was_asked(sentiment)


@pytest.mark.parametrize(
    ("task", "body", "words"),
    [
        ("question-answering", {"inputs": {"question": "who?"}}, "no 'context'"),
        ("sentence-similarity", {"inputs": {"sentences": ["good"]}}, "no 'source_sentence'"),
        ("fill-mask", {"inputs": {"text": "good"}}, "a text expected"),
        ("zero-shot-classification", {"inputs": "good"}, "a list of at least one label"),
        ("text-generation", {"inputs": "good", "temperature": -1}, "from 0 to 10000"),
        ("translation", {"inputs": "good", "generate_parameters": {"num_beams": 0}}, "from 1 to"),
        ("image-classification", {"inputs": "Zm9v", "top_k": "all"}, "an integer from 1"),
        ("text-to-speech", {"inputs": "good", "format": "mp3"}, "one of: wav, flac"),
    ],
)
def test_what_no_model_of_a_task_takes_wakes_no_fleet(
    sentiment: Fleet, task: str, body: Any, words: str
) -> None:
    key = ("textgen", "1")
    other = replace(sentiment.registry.records[key], bundle={"task": {"name": task}})
    sentiment.registry.records[key] = other
    sentiment.bench.time.meanwhile = lambda: None  # the fleet sleeps
    assert words in refusal(sentiment.post(body), 400)
    assert_nothing_was_asked(sentiment)


@pytest.mark.parametrize("path", ["/async/models/textgen/infer", "/v2/models/textgen/infer"])
def test_tensors_of_a_task_wake_no_fleet_either_if_a_parameter_is_wrong(
    sentiment: Fleet, path: str
) -> None:
    sentiment.bench.time.meanwhile = lambda: None  # the fleet sleeps
    body = asked("good", '{"top_k": 0}')
    event = call("submit" if "async" in path else "wait", path, body)
    endpoint = sentiment.bench.submit if "async" in path else sentiment.bench.wait
    assert "an integer from 1" in refusal(endpoint.reply(event), 400)
    assert_nothing_was_asked(sentiment)


def assert_nothing_was_asked(fleet: Fleet) -> None:
    assert (fleet.bench.store.rows, fleet.bench.woken.asked) == ({}, [])


@pytest.mark.parametrize(
    ("beside", "said", "runs"),
    [
        ([], ["", "", ""], 3),
        (["attention_mask"], ["", "", ""], 1),
        (["attention_mask"], ['{"top_k": 1}'] * 3, 1),
        (["attention_mask"], ['{"top_k": 2}', '{"top_k": 1}', ""], 3),
    ],
)
def test_texts_of_several_callers_share_a_run_if_a_mask_covers_what_pads_them(
    tmp_path: Path, beside: list[str], said: list[str], runs: int
) -> None:
    fleet = Fleet(tmp_path)
    publish_sentiment(fleet.registry, "textgen", *beside)
    for text, parameters in zip(("good", "bad bad", "good"), said, strict=True):
        body = asked(text, parameters)
        fleet.bench.submit.reply(call("submit", "/async/models/textgen/infer", body))
    assert fleet.work() == runs
    rows = fleet.bench.store.rows.values()
    results = [json.loads(fleet.bench.payloads.objects[row.response_key or ""]) for row in rows]
    [one] = [result["outputs"][0]["data"] for result in results][1]
    assert json.loads(one)[0]["label"] == "NEGATIVE"


def asked(text: str, parameters: str) -> dict[str, Any]:
    given = {"text": text, **({"parameters": parameters} if parameters else {})}
    tensor = {"datatype": "BYTES", "shape": [1]}
    return {"inputs": [tensor | {"name": name, "data": [one]} for name, one in given.items()]}


def test_a_call_that_waits_too_long_goes_on_as_a_request_of_tensors(sentiment: Fleet) -> None:
    sentiment.bench.time.meanwhile = lambda: None
    reply = sentiment.post({"inputs": ["good", "bad"], "top_k": 1})
    assert "GET /async/requests/" in refusal(reply, 503)
    request_id = reply["headers"]["serval-request-id"]
    sentiment.work()
    path = f"/async/requests/{request_id}"
    found = json.loads(sentiment.bench.requests.reply(call("requests_get", path))["body"])
    [output] = found["response"]["outputs"]
    assert (output["name"], output["shape"]) == ("answers", [2])
    assert [json.loads(one)[0]["label"] for one in output["data"]] == ["POSITIVE", "NEGATIVE"]


def test_a_model_of_tensors_has_no_words(sentiment: Fleet) -> None:
    sentiment.registry.publish("textgen", "1", sentiment_graph(), SENTIMENT)
    assert "has no task and takes tensors alone" in refusal(sentiment.post({"inputs": "good"}), 400)


@pytest.mark.parametrize(
    ("body", "headers", "heard"),
    [
        ({"inputs": "hum"}, {"content_type": "application/json"}, {"inputs": "hum"}),
        ("hum", {"content_type": "text/plain"}, {"inputs": "hum"}),
        ("1", {"content_type": "text/plain; charset=utf-8"}, {"inputs": "1"}),
    ],
)
def test_a_handler_on_a_fleet_gets_the_body_with_its_type(
    speaker: Fleet, body: Any, headers: dict[str, str], heard: Any
) -> None:
    reply = speaker.post(body, **headers)
    assert reply["statusCode"] == 200, reply
    assert reply["headers"]["content-type"] == "application/json"
    assert json.loads(reply["body"]) == {"heard": heard}


@pytest.mark.parametrize(
    ("accept", "answered"),
    [("*/*", "application/octet-stream"), ("audio/x-wav", "audio/x-wav")],
)
def test_the_bytes_that_a_handler_answers_keep_their_type(
    speaker: Fleet, accept: str, answered: str
) -> None:
    reply = speaker.post({"inputs": "sing"}, content_type="application/json", accept=accept)
    assert reply["headers"]["content-type"] == answered
    assert base64.b64decode(reply["body"]) == b"RIFF\0\0\0\0WAVE"


def test_a_handler_of_an_earlier_signature_is_called_with_its_body_alone(speaker: Fleet) -> None:
    key = ("textgen", "1")
    earlier = replace(HANDLER_SIGNATURE, outputs=HANDLER_SIGNATURE.outputs[:1], optional=())
    speaker.registry.records[key] = replace(speaker.registry.records[key], signature=earlier)
    reply = speaker.post({"inputs": "sing"})
    assert reply["headers"]["content-type"] == "audio/wav"


def test_a_text_to_speak_is_answered_with_the_file(sentiment: Fleet) -> None:
    key = ("textgen", "1")
    spoken = replace(sentiment.registry.records[key], bundle={"task": {"name": "text-to-speech"}})
    sentiment.registry.records[key] = spoken
    assert "its answer is one file" in refusal(sentiment.post({"inputs": ["good", "bad"]}), 400)
    said = b"RIFF\0\0\0\0WAVE"
    size = {"binary_data_size": 4 + len(said)}
    output = {"name": "answers", "datatype": "BYTES", "shape": [1], "parameters": size}
    head = json.dumps({"outputs": [output]}).encode()
    result = head + len(said).to_bytes(4, "little") + said
    bench = sentiment.bench
    bench.time.meanwhile = lambda: bench.succeed(bench.row.id, result, len(head))
    reply = sentiment.post("good", content_type="text/plain")
    assert reply["headers"]["content-type"] == "audio/wav"
    assert base64.b64decode(reply["body"]) == said
