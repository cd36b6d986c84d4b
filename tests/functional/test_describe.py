"""The ``describe`` function, from API Gateway's events to its replies."""

import base64
import gzip
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from serval.http.describe import ANSWERS
from serval.models.registry import Rollout
from serval.models.route import Route
from serval.models.statistics import TrackStatistics
from serval.openapi.document import document
from tests.fakes.describe import STANDING, Bench

ROOT = Path(__file__).parents[2]
KEY = "srv_c2VydmFsLWV4YW1wbGUta2V5LW9mLTI1Ni1iaXRzLS0"

CANARY = Rollout(
    model="iris",
    rollout="u2",
    status="running",
    created="2026-11-21T10:00:00.000Z",
    updated="2026-11-21T10:05:00.000Z",
    version="2",
    step="canary",
    percent=10,
    reason="baking at 10 %",
)


@pytest.fixture
def bench() -> Bench:
    """Iris with two versions, digits with one."""
    bench = Bench()
    bench.registry.publish("iris", "1", "2")
    bench.registry.publish("digits", "1")
    bench.registry.rolled_out.append(CANARY)
    bench.grant(KEY)
    return bench


def recorded(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((ROOT / "events" / f"describe_{name}.json").read_text())
    return event


def event(path: str, method: str = "GET", body: str | None = None, **more: Any) -> dict[str, Any]:
    given = recorded("model")
    http = {**given["requestContext"]["http"], "method": method, "path": path}
    context = {**given["requestContext"], "http": http}
    return {**given, "rawPath": path, "requestContext": context, "body": body, **more}


def get(bench: Bench, path: str, **more: Any) -> tuple[int, Any]:
    return answered(bench, event(path, **more))


def answered(bench: Bench, given: dict[str, Any]) -> tuple[int, Any]:
    """Answer an event; what no reply may break is checked here."""
    reply = bench.endpoint.reply(given)
    call = given["requestContext"]["requestId"]
    own = {} if reply["statusCode"] == 200 else {"x-request-id": call}
    assert reply["headers"] == {"content-type": "application/json", **own}
    assert reply["isBase64Encoded"] is False
    body = json.loads(reply["body"])
    if own:
        assert list(body) == ["error"]
        return reply["statusCode"], body["error"]
    return 200, body


def test_a_model_is_described_by_its_stable_version_and_names_all_versions(bench: Bench) -> None:
    assert answered(bench, recorded("model")) == (
        200,
        {
            "name": "iris",
            "versions": ["1", "2"],
            "platform": "onnx_onnxv1",
            "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}],
            "outputs": [
                {"name": "label", "datatype": "INT64", "shape": [-1]},
                {"name": "probabilities", "datatype": "FP32", "shape": [-1, 3]},
            ],
        },
    )


def test_readiness_is_read_from_both_members(bench: Bench) -> None:
    assert answered(bench, recorded("health")) == (200, {"ready": True, "live": True})


def test_the_repository_index_is_a_bare_list_of_every_version(bench: Bench) -> None:
    ready = {"state": "READY", "reason": ""}
    assert answered(bench, recorded("repository_index")) == (
        200,
        [
            {"name": "digits", "version": "1", **ready},
            {"name": "iris", "version": "1", **ready},
            {"name": "iris", "version": "2", **ready},
        ],
    )


def test_an_unknown_path_gets_a_404_in_the_shape_of_the_protocol(bench: Bench) -> None:
    assert answered(bench, recorded("unknown_path")) == (
        404,
        "no route GET /v2/systemsharedmemory/status: `GET /openapi.json` lists all",
    )


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v2/health/live", {"live": True}),
        ("/v2/models", {"models": ["digits", "iris"]}),
        ("/v2/models/iris/ready", {"name": "iris", "ready": True}),
        ("/v2/models/iris/versions/1/ready", {"name": "iris", "ready": True}),
        ("/v2/models/", {"models": ["digits", "iris"]}),
        ("/v2/models/%69ris/ready", {"name": "iris", "ready": True}),
    ],
)
def test_small_answers(bench: Bench, path: str, expected: Any) -> None:
    assert get(bench, path) == (200, expected)


def test_a_version_is_described_alone(bench: Bench) -> None:
    status, body = get(bench, "/v2/models/iris/versions/1")
    assert (status, body["versions"]) == (200, ["1"])


def test_the_stage_may_prefix_the_path(bench: Bench) -> None:
    given = event("/blue/v2/models/iris/ready")
    given["requestContext"]["stage"] = "blue"
    assert answered(bench, given)[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "nearest"),
    [
        ("POST", "/v2/models/iris", "GET /v2/models/iris"),
        ("GET", "/v2/repository/index", "POST /v2/repository/index"),
        ("GET", "/v2/models/iris/infer", "POST /v2/models/iris/infer"),
        ("PUT", "/v2/models/iris/versions/1/infer", "POST /v2/models/iris/versions/1/infer"),
        ("POST", "/v2/models/iris/infer/", "POST /v2/models/iris/infer"),
    ],
)
def test_a_wrong_method_is_told_the_right_one(
    bench: Bench, method: str, path: str, nearest: str
) -> None:
    status, error = get(bench, path, method=method)
    assert (status, error) == (404, f"no route {method} {path}: there is {nearest}")


@pytest.mark.parametrize("suffix", ["", "/ready", "/config", "/stats"])
@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/v2/models/absent", "model 'absent' is not registered"),
        ("/v2/models/absent/versions/1", "model 'absent' is not registered"),
        ("/v2/models/iris/versions/9", "model 'iris' has no version '9': `GET /v2/models/iris`"),
        ("/v2/models/iris/versions/latest", "model 'iris' has no version 'latest'"),
        ("/v2/models/Iris%2F..", "model 'Iris/..' is not registered"),
        (f"/v2/models/{'x' * 3000}", "is not registered"),
    ],
)
def test_what_is_absent_gets_a_404(bench: Bench, path: str, suffix: str, error: str) -> None:
    status, body = get(bench, path + suffix)
    assert status == 404
    assert error in body


@pytest.mark.parametrize(
    "path", ["/v2/health/live", "/v2/models/iris", "/openapi.json", "/nowhere"]
)
def test_every_path_needs_a_key(bench: Bench, path: str) -> None:
    for headers, told in (({}, "no API key"), ({"X-Api-Key": "srv_bad"}, "unknown or revoked")):
        status, error = get(bench, path, headers=headers)
        assert status == 401
        assert told in error


def test_a_gateway_that_authenticates_is_trusted(bench: Bench) -> None:
    bench.authentication = "gateway"
    assert get(bench, "/v2/models", headers={})[0] == 200


def test_a_key_sees_the_models_in_its_scope_alone(bench: Bench) -> None:
    headers = {"x-api-key": "srv_digits"}
    bench.grant("srv_digits", "digits", "absent")

    assert get(bench, "/v2/models", headers=headers) == (200, {"models": ["digits"]})
    index = answered(bench, event("/v2/repository/index", "POST", headers=headers))[1]
    assert {entry["name"] for entry in index} == {"digits"}
    stats = get(bench, "/v2/models/stats", headers=headers)[1]["model_stats"]
    assert {entry["name"] for entry in stats} == {"digits"}
    for path in ("/v2/models/iris", "/v2/models/iris/versions/9", "/v2/models/other/config"):
        status, error = get(bench, path, headers=headers)
        assert (status, "no scope for model" in error) == (403, True)
    assert get(bench, "/v2/models/absent", headers=headers)[0] == 404


@pytest.mark.parametrize("body", [None, "", "{}", '{"ready": true}', '{"ready": false, "x": 1}'])
def test_the_index_takes_an_empty_body_or_an_object(bench: Bench, body: str | None) -> None:
    assert answered(bench, event("/v2/repository/index", "POST", body))[0] == 200


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('{"ready": "yes"}', "parameter 'ready': 'yes' given, true or false expected"),
        ("[]", "the body is [], an object"),
        ("{", "the body is not valid JSON"),
        ("[" * 100_000, "the body is not valid JSON"),
        ('{"n": ' + "9" * 5000 + "}", "the body is not valid JSON"),
        ('{"ready": true, "ready": false}', "member 'ready' is there 2 times in one JSON object"),
        ('{"x": [{"a": 1, "a": 1}]}', "member 'a' is there 2 times in one JSON object"),
    ],
)
def test_a_bad_index_request_is_told_what_is_wrong(bench: Bench, body: str, told: str) -> None:
    status, error = answered(bench, event("/v2/repository/index", "POST", body))
    assert status == 400
    assert told in error


def test_an_index_request_is_no_place_for_much_json(bench: Bench) -> None:
    body = "[" + "[]," * 100_000 + "1]"
    status, error = answered(bench, event("/v2/repository/index", "POST", body))
    assert (status, error[:13]) == (413, "the body: 300")
    bomb = base64.b64encode(gzip.compress(body.encode())).decode()
    headers = {"x-api-key": KEY, "content-encoding": "gzip"}
    given = event("/v2/repository/index", "POST", bomb, isBase64Encoded=True, headers=headers)
    assert answered(bench, given)[0] == 413


def test_an_index_request_that_is_not_utf8_is_refused(bench: Bench) -> None:
    body = base64.b64encode(b'{"\xff": 1}').decode()
    given = event("/v2/repository/index", "POST", body, isBase64Encoded=True)
    assert answered(bench, given)[0] == 400


def test_statistics_are_of_the_version_that_each_track_stands_for(bench: Bench) -> None:
    bench.registry.routes["iris"] = Route("1", candidate="2", percent=10)
    last = datetime(2026, 11, 21, 10, 14, tzinfo=UTC)
    bench.statistics.known = {
        ("iris", "stable"): TrackStatistics(requests=9, errors=1, latency_ms=12.5, last=last),
        ("iris", "candidate"): TrackStatistics(requests=1, latency_ms=2.0, last=last),
    }
    status, body = get(bench, "/v2/models/iris/stats")
    stable, candidate = body["model_stats"]
    assert status == 200
    assert (stable["version"], stable["inference_count"]) == ("1", 8)
    assert stable["last_inference"] == int(last.timestamp() * 1000)
    assert stable["inference_stats"]["success"] == {"count": 8, "ns": 12_500_000}
    assert stable["inference_stats"]["fail"] == {"count": 1, "ns": 0}
    assert (candidate["version"], candidate["inference_count"]) == ("2", 1)
    assert get(bench, "/v2/models/iris/versions/2/stats")[1]["model_stats"] == [candidate]


def keep_answers(bench: Bench, **members: Any) -> None:
    """Have the versions of ``iris`` be such as may keep answers."""
    records = bench.registry.records
    records[:] = [replace(one, **members) if one.model == "iris" else one for one in records]


@pytest.mark.parametrize(
    "members", [{"bundle": {"cache": {"ttl_seconds": 60}}}, {"runtime": "pipeline"}]
)
def test_kept_answers_are_in_the_statistics_of_the_stable_version(
    bench: Bench, members: dict[str, Any]
) -> None:
    keep_answers(bench, **members)
    bench.registry.routes["iris"] = Route("1", candidate="2", percent=10)
    bench.statistics.known = {("iris", "cached"): TrackStatistics(requests=7, latency_ms=3.5)}
    stable, candidate = get(bench, "/v2/models/iris/stats")[1]["model_stats"]
    assert stable["inference_stats"]["cache_hit"] == {"count": 7, "ns": 3_500_000}
    assert candidate["inference_stats"]["cache_hit"] == {"count": 0, "ns": 0}


def test_the_metrics_of_kept_answers_are_not_paid_for_where_there_are_none(bench: Bench) -> None:
    bench.statistics.known = {("iris", "cached"): TrackStatistics(requests=7, latency_ms=3.5)}
    (entry,) = get(bench, "/v2/models/iris/stats")[1]["model_stats"]
    assert entry["inference_stats"]["cache_hit"] == {"count": 0, "ns": 0}


def test_a_version_without_a_track_has_statistics_of_zero(bench: Bench) -> None:
    (entry,) = get(bench, "/v2/models/iris/versions/1/stats")[1]["model_stats"]
    assert (entry["version"], entry["execution_count"], entry["last_inference"]) == ("1", 0, 0)


def test_a_rollout_is_told_as_it_stands(bench: Bench) -> None:
    bench.registry.routes["iris"] = Route("1", "2", 10, "u2")
    assert get(bench, "/v2/models/iris/rollout") == (200, STANDING)


def test_a_rollout_is_read_where_statistics_are(bench: Bench) -> None:
    bench.grant("srv_digits", "digits")
    for model, headers in [("iris", "srv_digits"), ("absent", "srv_digits"), ("absent", KEY)]:
        answers = [
            get(bench, f"/v2/models/{model}/{what}", headers={"x-api-key": headers})
            for what in ("rollout", "stats")
        ]
        assert answers[0] == answers[1]
        assert answers[0][0] == (404 if headers == KEY else 403)
    for odd in ("Iris%2F..", "x" * 3000):
        assert get(bench, f"/v2/models/{odd}/rollout")[0] == 404
    bench.registry.down = True
    assert get(bench, "/v2/models/iris/rollout")[0] == 503


@pytest.mark.parametrize("port", ["registry", "statistics"])
def test_a_port_that_is_down_is_a_503_and_a_line_in_the_log(bench: Bench, port: str) -> None:
    getattr(bench, port).down = True
    status, error = get(bench, "/v2/models/iris/stats")
    assert status == 503
    assert json.loads(bench.log[0]) == {
        "level": "ERROR",
        "status": 503,
        "error": error,
        "request": event("/")["requestContext"]["requestId"],
        "model": "iris",
        "key": "test",
    }


def test_every_answer_has_the_shape_that_the_document_promises(bench: Bench) -> None:
    whole = document()
    for endpoint in ANSWERS:
        operation = whole["paths"][endpoint.template][endpoint.method.lower()]
        path = endpoint.template.format(model="iris", version="1")
        if "text/plain" in operation["responses"]["200"]["content"]:
            continue
        status, body = answered(bench, event(path, endpoint.method))
        promised = operation["responses"]["200"]["content"]["application/json"]
        schema = {**promised["schema"], "components": whole["components"]}
        assert status == 200
        jsonschema_rs.validate(schema, body)


def test_who_calls_an_async_path_in_another_way_is_told_of_the_right_one(bench: Bench) -> None:
    assert get(bench, "/async/models/iris/infer") == (
        404,
        "no route GET /async/models/iris/infer: there is POST /async/models/iris/infer",
    )
    assert get(bench, "/async/requests/r", method="POST") == (
        404,
        "no route POST /async/requests/r: there is PUT /async/requests/r, "
        "GET /async/requests/r, DELETE /async/requests/r",
    )


def test_models_are_listed_for_v1_and_for_openai_at_once(bench: Bench) -> None:
    status, body = get(bench, "/v1/models")
    assert (status, body["models"], body["object"]) == (200, ["digits", "iris"], "list")
    assert [one["id"] for one in body["data"]] == ["digits", "iris"]
    status, one = get(bench, "/v1/models/iris")
    assert (status, one["name"], one["ready"], one["id"]) == (200, "iris", True, "iris")
    assert one["created"] == body["data"][1]["created"] > 1_600_000_000
    status, error = get(bench, "/v1/models/absent")
    assert (status, error["param"], error["code"]) == (404, "model", "model_not_found")


def test_a_model_answers_mlflow_s_ping_in_text_and_is_missed_in_its_words(bench: Bench) -> None:
    for path, text in (("ping", "\n"), ("health", "\n"), ("version", "3.17.2")):
        reply = bench.endpoint.reply(event(f"/mlflow/iris/{path}"))
        assert (reply["statusCode"], reply["body"]) == (200, text)
        assert reply["headers"] == {"content-type": "text/plain"}
    reply = bench.endpoint.reply(event("/mlflow/absent/ping"))
    body = json.loads(reply["body"])
    assert (reply["statusCode"], body["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert "model 'absent' is not registered" in body["message"]
