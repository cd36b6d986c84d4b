"""The inference endpoint: what a caller gets, whatever the request and the state of the world."""

import base64
import gzip
import json
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serval.access.api_key import ApiKey, hash_api_key
from serval.inference.loaded import Limits
from serval.protocol.limits import RequestLimits
from tests.fakes.inference import (
    TWO_COLUMNS,
    Bench,
    answer,
    bench,
    document,
    event,
    identity,
    plus,
    refusal,
    signature,
)


def test_a_json_request_is_answered(ready: Bench) -> None:
    reply = ready.endpoint.reply(event("adder", document(id="abc")))
    assert answer(reply) == {
        "model_name": "adder",
        "model_version": "1",
        "id": "abc",
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [1, 2], "data": [2.0, 3.0]}],
    }
    assert reply["headers"]["serval-model-version"] == "1"


def test_a_model_with_a_route_of_its_own_is_named_by_the_route(ready: Bench) -> None:
    unversioned = event("adder", document()) | {"routeKey": "POST /v2/models/adder/infer"}
    del unversioned["pathParameters"]
    assert answer(ready.endpoint.reply(unversioned))["model_name"] == "adder"
    versioned = event("adder", document()) | {
        "routeKey": "POST /v2/models/adder/versions/{version}/infer",
        "pathParameters": {"version": "1"},
    }
    assert answer(ready.endpoint.reply(versioned))["model_version"] == "1"


def test_only_the_first_request_pays_the_load(ready: Bench) -> None:
    first = ready.endpoint.reply(event("adder", document()))
    second = ready.endpoint.reply(event("adder", document()))
    assert first["headers"]["server-timing"].startswith("load;dur=")
    assert second["headers"]["server-timing"].startswith("infer;dur=")
    assert ready.edge.reads == ["key and route", "version", "artifact"]


def test_a_binary_request_gets_a_binary_answer(ready: Bench) -> None:
    head = json.dumps(
        {
            "inputs": [
                {
                    "name": "x",
                    "shape": [1, 2],
                    "datatype": "FP32",
                    "parameters": {"binary_data_size": 8},
                }
            ],
            "parameters": {"binary_data_output": True},
        }
    ).encode()
    body = base64.b64encode(head + np.array([1, 2], "<f4").tobytes()).decode()
    sent = event("adder", body, is_base64=True, inference_header_content_length=str(len(head)))
    reply = ready.endpoint.reply(sent)
    assert reply["isBase64Encoded"]
    raw = base64.b64decode(reply["body"])
    length = int(reply["headers"]["inference-header-content-length"])
    assert json.loads(raw[:length])["outputs"][0]["parameters"] == {"binary_data_size": 8}
    assert np.frombuffer(raw[length:], "<f4").tolist() == [2.0, 3.0]


def test_a_gzip_request_is_answered(ready: Bench) -> None:
    body = base64.b64encode(gzip.compress(document().encode())).decode()
    reply = ready.endpoint.reply(event("adder", body, is_base64=True, content_encoding="gzip"))
    assert answer(reply)["outputs"][0]["data"] == [2.0, 3.0]


def test_a_long_answer_is_compressed_if_the_client_takes_it(ready: Bench) -> None:
    rows = [[0.0, 0.0]] * 1000
    item = {"name": "x", "shape": [1000, 2], "datatype": "FP32", "data": rows}
    sent = event("adder", json.dumps({"inputs": [item]}), accept_encoding="br, gzip")
    reply = ready.endpoint.reply(sent)
    assert reply["headers"]["content-encoding"] == "gzip"
    inflated = json.loads(gzip.decompress(base64.b64decode(reply["body"])))
    assert inflated["outputs"][0]["data"] == [1.0] * 2000


def test_errors_are_never_compressed(ready: Bench) -> None:
    long = "x" * 3000
    sent = event("adder", document(data=[1, long]), accept_encoding="gzip")
    assert "a number expected" in refusal(ready.endpoint.reply(sent), 400)


@pytest.mark.parametrize(
    ("headers", "status", "message"),
    [
        ({"x_api_key": ""}, 401, "no API key: send "),
        ({"x_api_key": "srv_bad"}, 401, "unknown or revoked"),
        ({"x_api_key": "srv_narrow"}, 403, "no scope for model 'adder'"),
    ],
)
def test_a_caller_without_the_right_key_is_refused(
    ready: Bench, headers: dict[str, str], status: int, message: str
) -> None:
    ready.edge.grant("srv_narrow", "other")
    assert message in refusal(ready.endpoint.reply(event("adder", document(), **headers)), status)


def test_a_bearer_token_is_a_key_too(ready: Bench) -> None:
    sent = event("adder", document(), x_api_key="", authorization="Bearer srv_good")
    assert answer(ready.endpoint.reply(sent))


def test_scope_is_checked_before_existence(ready: Bench) -> None:
    ready.edge.grant("srv_narrow", "other")
    sent = event("absent", document(), x_api_key="srv_narrow")
    assert "no scope" in refusal(ready.endpoint.reply(sent), 403)


def test_a_revocation_holds_within_a_minute(ready: Bench) -> None:
    assert answer(ready.endpoint.reply(event("adder", document())))
    ready.edge.keys.clear()
    ready.clock.seconds += 59
    assert answer(ready.endpoint.reply(event("adder", document())))
    ready.clock.seconds += 1
    assert refusal(ready.endpoint.reply(event("adder", document())), 401)


def test_an_unknown_model_is_not_found(ready: Bench) -> None:
    assert "'absent' is not registered" in refusal(
        ready.endpoint.reply(event("absent", document())), 404
    )


@pytest.mark.parametrize("model", ["Iris", "a/b", "é", "x" * 3000, "stats"])
def test_what_is_no_model_name_is_not_even_looked_for(ready: Bench, model: str) -> None:
    assert "is not registered" in refusal(ready.endpoint.reply(event(model, document())), 404)
    assert ready.edge.reads == ["key and route"]
    assert ready.edge.asked == {""}


@pytest.mark.parametrize("model", ["absent", "Iris", "a/b", "é", "x" * 3000])
def test_who_calls_is_asked_before_what_for(ready: Bench, model: str) -> None:
    nobody = event(model, document(), x_api_key="")
    refusal(ready.endpoint.reply(nobody), 401)
    stranger = event(model, document(), x_api_key="srv_stranger")
    refusal(ready.endpoint.reply(stranger), 401)
    ready.edge.grant("srv_other", "other")
    elsewhere = event(model, document(), x_api_key="srv_other")
    refusal(ready.endpoint.reply(elsewhere), 403)


@pytest.mark.parametrize("version", ["2", "0", "01", "x", "1.0", "9" * 30])
def test_an_unknown_version_is_not_found(ready: Bench, version: str) -> None:
    reply = ready.endpoint.reply(event("adder", document(), version=version))
    assert f"has no version {version!r}" in refusal(reply, 404)


def test_a_version_can_be_asked_for_in_the_path_or_a_header(ready: Bench) -> None:
    ready.edge.publish("adder", "2", plus(10), TWO_COLUMNS)
    by_path = ready.endpoint.reply(event("adder", document(), version="1"))
    by_header = ready.endpoint.reply(event("adder", document(), serval_model_version="1"))
    by_route = ready.endpoint.reply(event("adder", document()))
    versions = [answer(reply)["model_version"] for reply in (by_path, by_header, by_route)]
    assert versions == ["1", "1", "2"]


def test_an_unknown_input_is_named(ready: Bench) -> None:
    item = {"name": "z", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}
    sent = event("adder", json.dumps({"inputs": [item]}))
    message = "input 'z' is unknown: the model takes x"
    assert refusal(ready.endpoint.reply(sent), 400) == message


def test_an_unknown_output_is_named(ready: Bench) -> None:
    sent = event("adder", document(outputs=[{"name": "z"}]))
    assert "output 'z' is unknown: the model gives y" in refusal(ready.endpoint.reply(sent), 400)


def test_a_lost_artifact_fails_this_request_and_not_the_next(ready: Bench) -> None:
    artifact = ready.edge.artifacts.pop(("adder", "1"))
    message = refusal(ready.endpoint.reply(event("adder", document())), 503)
    assert "version '1' cannot be loaded: model.onnx is gone" in message
    ready.edge.artifacts["adder", "1"] = artifact
    assert answer(ready.endpoint.reply(event("adder", document())))


def test_an_artifact_that_is_no_graph_is_unavailable(ready: Bench) -> None:
    ready.edge.artifacts["adder", "1"] = b"not a graph"
    assert "cannot be loaded" in refusal(ready.endpoint.reply(event("adder", document())), 503)
    assert json.loads(ready.log[0])["status"] == 503


def test_the_least_recently_used_version_makes_room(tmp_path: Path) -> None:
    artifact = plus(1)
    made = bench(tmp_path, Limits(memory_bytes=int(len(artifact) * 2.5 * 2), disk_bytes=2**30))
    made.edge.grant("srv_good")
    for model in ("a", "b", "c"):
        made.edge.publish(model, "1", artifact, TWO_COLUMNS)
    for model in ("a", "b", "a", "c"):
        answer(made.endpoint.reply(event(model, document())))
    loaded = made.endpoint.inference.loaded
    assert [(model, "1") in loaded for model in ("a", "b", "c")] == [True, False, True]


def test_a_version_that_can_never_fit_says_what_to_do(tmp_path: Path) -> None:
    made = bench(tmp_path, Limits(memory_bytes=10, disk_bytes=2**30))
    made.edge.grant("srv_good")
    made.edge.publish("adder", "1", plus(1), TWO_COLUMNS)
    message = refusal(made.endpoint.reply(event("adder", document())), 503)
    assert "declare compute.memory_mib in model.yaml and deploy" in message


def test_an_answer_that_does_not_fit_through_lambda_is_refused(ready: Bench) -> None:
    ready.edge.publish("echo", "1", identity("BYTES", ["rows"]), signature("BYTES", [-1]))
    quotes = '"' * 1_500_000
    item = {"name": "x", "shape": [1], "datatype": "BYTES", "data": [quotes]}
    sent = event("echo", json.dumps({"inputs": [item]}))
    assert "reply: " in refusal(ready.endpoint.reply(sent), 413)


def test_who_gets_too_large_an_answer_is_told_ways_that_exist(ready: Bench) -> None:
    ready.edge.publish("echo", "1", identity("FP32", ["b", 900_000]), signature("FP32", [-1, -1]))
    row = np.random.default_rng(1).random((1, 900_000), np.float32)

    def sent(rows: int, *, binary: bool, **headers: str) -> dict[str, Any]:
        data = np.concatenate([row] * rows).tobytes()
        head = {
            "parameters": {"binary_data_output": binary},
            "inputs": [
                {
                    "name": "x",
                    "shape": [rows, 900_000],
                    "datatype": "FP32",
                    "parameters": {"binary_data_size": len(data)},
                }
            ],
        }
        said = json.dumps(head).encode()
        body = zlib.compress(said + data, 1)
        framing = {"inference_header_content_length": str(len(said)), "content_encoding": "deflate"}
        text = base64.b64encode(body).decode()
        return ready.endpoint.reply(event("echo", text, is_base64=True, **framing, **headers))

    said = refusal(sent(1, binary=False), 413)
    assert "ask for binary outputs" in said
    assert "run a batch job, or publish a graph with a smaller output" in said
    assert answer_of_binary(sent(1, binary=True)) == row.nbytes


def answer_of_binary(reply: dict[str, Any]) -> int:
    """Give the bytes of a reply's binary tensors."""
    assert reply["statusCode"] == 200, reply
    head = int(reply["headers"]["inference-header-content-length"])
    return len(base64.b64decode(reply["body"])) - head


def test_a_key_that_is_too_fast_is_told_when_to_come_again(ready: Bench) -> None:
    ready.edge.keys[hash_api_key("srv_good")] = ApiKey.describe(
        "srv_good", "test", ["*"], "2026", realtime_per_minute=6
    )
    answer(ready.endpoint.reply(event("adder", document())))
    reply = ready.endpoint.reply(event("adder", document()))
    assert reply["statusCode"] == 429
    assert 1 <= int(reply["headers"]["retry-after"]) <= 10
    assert "the API key may send 6 requests a minute" in reply["body"]


def test_a_fleets_model_that_the_stage_was_not_deployed_with_is_not_run_here(ready: Bench) -> None:
    ready.edge.publish("heavy", "1", plus(1), TWO_COLUMNS)
    on_fleet = {"compute": {"target": "fleet", "fleet": "gpu"}}
    object.__setattr__(ready.edge.records["heavy", "1"], "bundle", on_fleet)
    message = refusal(ready.endpoint.reply(event("heavy", document())), 404)
    assert message.endswith("run `serval deploy`, which leads its calls there")
    assert "artifact" not in ready.edge.reads


def test_bytes_that_came_as_text_are_refused_as_damaged(ready: Bench) -> None:
    raw = np.array([1, -1], "<f4").tobytes().decode("utf-8", "replace")
    sent = event("adder", raw, inference_header_content_length="0")
    assert "damaged on the way" in refusal(ready.endpoint.reply(sent), 400)


def test_a_function_takes_no_more_than_it_has_memory_for(ready: Bench) -> None:
    small = replace(ready.endpoint, limits=RequestLimits.of_memory(24 * 200))
    assert answer(small.reply(event("adder", document())))
    long = document(unknown="x" * 200)
    assert "JSON: " in refusal(small.reply(event("adder", long)), 413)
    packed = base64.b64encode(gzip.compress(long.encode())).decode()
    sent = event("adder", packed, is_base64=True, content_encoding="gzip")
    assert "inflated body: " in refusal(small.reply(sent), 413)


def test_a_refused_request_is_nobodys_error(ready: Bench) -> None:
    ready.endpoint.reply(event("adder", "{"))
    ready.endpoint.metrics.flush()
    assert ready.printed == []
    assert ready.log == []
