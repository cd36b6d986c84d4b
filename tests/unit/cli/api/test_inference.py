"""serval_cli/api/inference.py: the HTTP API, as a client of it."""

import json
from collections.abc import Callable

import httpx
import pytest

from serval_cli.api.inference import InferenceApi
from serval_cli.failures import CommandFailed


def api(answer: Callable[[httpx.Request], httpx.Response]) -> InferenceApi:
    return InferenceApi(httpx.Client(transport=httpx.MockTransport(answer)), "http://api/stage")


def test_requests_go_below_the_stages_path() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"outputs": []})

    api(answer).infer("tiny", "3", {"inputs": []})
    api(answer).metadata("tiny", None)
    assert [(request.method, request.url.path) for request in seen] == [
        ("POST", "/stage/v2/models/tiny/versions/3/infer"),
        ("GET", "/stage/v2/models/tiny"),
    ]
    assert json.loads(seen[0].content)["inputs"] == []
    assert seen[0].headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (httpx.Response(404, json={"error": "no model"}), "404 Not Found: no model"),
        (httpx.Response(403, json={"message": "Forbidden"}), "403 Forbidden: Forbidden"),
        (httpx.Response(502, text="<html>"), "502 Bad Gateway: <html>"),
        (httpx.Response(500), "500 Internal Server Error: no message"),
        (httpx.Response(200, text="hello"), "200 OK: hello"),
        (httpx.Response(200, json=[1]), r"200 OK: \[1\]"),
    ],
)
def test_anything_but_an_answer_is_said_in_the_servers_words(
    reply: httpx.Response, said: str
) -> None:
    with pytest.raises(CommandFailed, match=said):
        api(lambda _: reply).metadata("tiny", None)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (httpx.ConnectError("refused"), "http://api/stage does not answer: refused"),
        (httpx.ReadTimeout("slow"), "did not answer within 60 s"),
    ],
)
def test_a_server_that_does_not_answer_is_named(error: Exception, said: str) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise error

    with pytest.raises(CommandFailed, match=said):
        api(answer).metadata("tiny", None)


def test_a_key_that_no_header_can_carry_is_refused() -> None:
    with pytest.raises(CommandFailed, match="copy it again"):
        InferenceApi.of("http://api", "srv_\n", trust_environment=False)


def test_the_key_goes_as_a_bearer() -> None:
    made = InferenceApi.of("http://api", " srv_x ", trust_environment=False)
    assert made.client.headers["authorization"] == "Bearer srv_x"
    made.client.close()


def test_the_name_that_was_meant_is_offered() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/v2/models"):
            return httpx.Response(200, json={"models": ["iris", "digits"]})
        return httpx.Response(404, json={"error": "model is not registered"})

    with pytest.raises(CommandFailed, match="not registered; did you mean 'iris'"):
        api(answer).metadata("irs", None)
    with pytest.raises(CommandFailed, match=r"not registered$"):
        api(answer).infer("other", None, {"inputs": []})


def test_an_async_request_is_awaited_to_its_end() -> None:
    states = iter(["queued", "running", "running", "succeeded"])

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            assert request.url.path == "/stage/async/models/tiny/versions/2/infer"
            return httpx.Response(202, json={"id": "r1", "status": "queued"})
        return httpx.Response(200, json={"status": next(states), "response": {"outputs": []}})

    said: list[str] = []
    patient = api(answer)
    request_id = patient.submit("tiny", "2", {"inputs": []})
    assert patient.await_result(request_id, said.append, lambda _: None) == {"outputs": []}
    assert said == [f"request r1 is {status}" for status in ("queued", "running", "succeeded")]


def test_an_async_request_that_failed_says_why() -> None:
    failed = httpx.Response(200, json={"status": "failed", "error": "out of memory"})
    with pytest.raises(CommandFailed, match="request r1 is failed: out of memory"):
        api(lambda _: failed).await_result("r1", lambda _: None)
