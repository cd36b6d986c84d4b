"""serval/client: calls of models, retries and errors, by both clients."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from serval.client import (
    AsyncClient,
    BadRequest,
    CallFailed,
    Client,
    Conflict,
    Forbidden,
    InvalidInput,
    Missing,
    NoReply,
    ServerFailed,
    StillRunning,
    TooManyCalls,
    Unauthorized,
)
from serval.client.task_bodies import call_request
from tests.fakes.client_server import AwaitedServer, ClientServer

Kind = type[ClientServer]
FLOWER = {"name": "x", "datatype": "FP32", "shape": [-1, 2]}
RESPONSE = {
    "model_name": "iris",
    "model_version": "3",
    "outputs": [{"name": "y", "datatype": "FP32", "shape": [2, 2], "data": [1, 2, 3, "NaN"]}],
}
ENDED = {"id": "r1", "status": "succeeded", "model": "iris", "response": RESPONSE}


def iris(request: httpx.Request) -> httpx.Response:
    """Answer as a stage with one model does."""
    if request.method == "GET" and "/async/" in request.url.path:
        return httpx.Response(200, json=ENDED)
    if request.method == "GET":
        return httpx.Response(200, json={"name": "iris", "inputs": [FLOWER], "outputs": []})
    return httpx.Response(200, json=RESPONSE, headers={"serval-model-version": "3"})


def replies(*given: httpx.Response | Exception) -> Callable[[httpx.Request], httpx.Response]:
    """Answer with one after another."""
    left = list(given)

    def answer(_: httpx.Request) -> httpx.Response:
        reply = left.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply

    return answer


both = pytest.mark.parametrize("kind", [ClientServer, AwaitedServer])


@both
def test_lists_are_sent_by_the_models_signature_and_nested_lists_come_back(kind: Kind) -> None:
    server = kind(iris)
    answer = server.client.infer("iris", [1, 2], version="3", affinity="me")
    assert server.seen == [
        "GET /stage/v2/models/iris/versions/3",
        "POST /stage/v2/models/iris/versions/3/infer",
    ]
    sent = server.calls[1]
    assert json.loads(sent.content)["inputs"] == [
        {"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}
    ]
    assert (sent.headers["authorization"], sent.headers["serval-affinity"]) == (
        "Bearer srv_key",
        "me",
    )
    assert repr(answer["y"]) == "[[1, 2], [3, nan]]"
    assert (answer.model, answer.version) == ("iris", "3")


@both
def test_an_array_goes_in_binary_and_arrays_come_back(kind: Kind) -> None:
    server = kind(iris)
    answer = server.client.infer("iris", {"x": np.zeros((3, 2))})
    length = int(server.calls[1].headers["inference-header-content-length"])
    assert server.calls[1].content[length:] == bytes(24)
    assert answer["y"].dtype == np.float32
    assert np.array_equal(answer["y"], np.array([[1, 2], [3, np.nan]]), equal_nan=True)


def test_a_signature_is_asked_for_once_until_a_request_is_refused() -> None:
    refusal = httpx.Response(400, json={"error": "no"})
    server = ClientServer(iris)
    client = server.client
    for _ in range(2):
        client.infer("iris", [1, 2])
    server.answer = replies(refusal)
    with pytest.raises(BadRequest, match="400 Bad Request: no"):
        client.infer("iris", [1, 2])
    server.answer = iris
    client.infer("iris", [1, 2])
    methods = [seen.split()[0] for seen in server.seen]
    assert methods == ["GET", "POST", "POST", "POST", "GET", "POST"]


def test_data_that_does_not_fit_is_refused_before_it_is_sent() -> None:
    server = ClientServer(iris)
    with pytest.raises(InvalidInput, match=r"'x': the data has shape \[3\]"):
        server.client.infer("iris", [1, 2, 3])
    assert len(server.calls) == 1


@both
def test_a_fleet_that_takes_long_is_waited_for(kind: Kind) -> None:
    running = httpx.Response(503, json={"error": "on"}, headers={"serval-request-id": "r1"})
    for patient in (True, False):
        server = kind(lambda call: running if call.method == "POST" else iris(call))
        if patient:
            assert server.client.infer("iris", [1, 2]).version == "3"
            assert server.seen[-1] == "GET /stage/async/requests/r1?model=iris"
        else:
            with pytest.raises(StillRunning) as caught:
                server.client.infer("iris", [1, 2], patient=False)
            assert caught.value.request_id == "r1"


@both
def test_a_text_is_called_with_its_parameters(kind: Kind) -> None:
    server = kind(replies(httpx.Response(200, json=[{"label": "good"}])))
    answer = server.client.call("reviews", "I love this", parameters={"top_k": 1})
    assert server.seen == ["POST /stage/models/reviews"]
    assert json.loads(server.calls[0].content) == {
        "inputs": "I love this",
        "parameters": {"top_k": 1},
    }
    assert answer.value == [{"label": "good"}]


def test_an_image_goes_as_it_is_and_in_base64_where_json_has_to_carry_it(tmp_path: Path) -> None:
    photo = tmp_path / "a.png"
    photo.write_bytes(b"\x89PNG")
    server = ClientServer(lambda _: httpx.Response(200, json=[]))
    for given, more in (
        (photo, {}),
        (b"\x89PNG", {}),
        (photo, {"parameters": {"top_k": 1}}),
        ([photo, b"x"], {}),
    ):
        server.client.call("camera", given, **more)
    first, second, third, fourth = server.calls
    assert (first.content, first.headers["content-type"]) == (b"\x89PNG", "image/png")
    assert second.headers["content-type"] == "application/octet-stream"
    assert json.loads(third.content)["inputs"] == "iVBORw=="
    assert json.loads(fourth.content) == {"inputs": ["iVBORw==", "eA=="]}


def test_numbers_of_numpy_and_a_version_s_number_go_as_people_have_them() -> None:
    server = ClientServer(replies(httpx.Response(200, json=["yes", "no"])))
    columns = {"age": np.array([31, 40]), "height": [np.float32(1.5), np.float64("nan")]}
    version: Any = 3
    server.client.call("customers", rows=columns, version=version)
    assert server.calls[0].url.path == "/stage/models/customers/versions/3"
    sent = json.loads(server.calls[0].content)
    assert sent == {"table": {"age": [31, 40], "height": [1.5, None]}}


def test_an_affinity_may_be_a_number_too() -> None:
    server = ClientServer(replies(httpx.Response(200, json=["yes"])))
    user: Any = 42
    server.client.call("reviews", "good", affinity=user)
    assert server.calls[0].headers["serval-affinity"] == "42"


@pytest.mark.parametrize("content", [b'{"n": 1}\n{"n": 2}\n', b""])
def test_what_is_not_one_json_value_is_content_alone(content: bytes) -> None:
    headers = {"content-type": "application/x-ndjson"}
    server = ClientServer(replies(httpx.Response(200, content=content, headers=headers)))
    answer = server.client.call("boxed", b"body")
    assert (answer.value, answer.content) == (None, content)


def test_rows_go_as_columns_and_sound_comes_as_bytes() -> None:
    wave = httpx.Response(200, content=b"RIFF", headers={"content-type": "audio/wav"})
    server = ClientServer(lambda _: wave)
    answer = server.client.call("customers", rows=[{"age": 31}, {"age": 40}])
    assert json.loads(server.calls[0].content) == {"table": {"age": [31, 40]}}
    assert (answer.value, answer.content, answer.content_type) == (None, b"RIFF", "audio/wav")
    for wrong in ([{"a": 1}, {"b": 1}], []):
        with pytest.raises(ValueError, match="the same columns"):
            server.client.call("customers", rows=wrong)
    with pytest.raises(ValueError, match="one of inputs and rows"):
        server.client.call("customers", "x", rows=[{"a": 1}])


def test_a_missing_cell_goes_as_null_and_an_infinite_one_by_its_name() -> None:
    server = ClientServer(lambda _: httpx.Response(200, json=[]))
    rows = [{"age": math.nan, "sex": "f"}, {"age": 40.0, "sex": math.nan}]
    server.client.call("titanic", rows=rows)
    assert server.calls[0].content == b'{"table": {"age": [null, 40.0], "sex": ["f", null]}}'
    server.client.call("titanic", rows={"age": [math.inf, np.float32("-inf")]})
    assert server.calls[1].content == b'{"table": {"age": ["Infinity", "-Infinity"]}}'
    [args] = call_request("tabular-regression", None, rows, None)["inputs"]
    assert args["data"] == ['{"age": null, "sex": "f"}', '{"age": 40.0, "sex": null}']


@both
def test_what_passes_is_tried_again_after_the_pause_that_the_server_asks_for(kind: Kind) -> None:
    server = kind(
        replies(
            httpx.Response(429, json={"error": "rate"}, headers={"retry-after": "7"}),
            httpx.ReadError("reset"),
            httpx.Response(503, json={"message": "Service Unavailable"}),
            httpx.Response(200, json={"models": ["iris"]}),
        )
    )
    assert server.client.models() == ["iris"]
    assert server.pauses == [7.5, 1.0, 2.0]


def test_a_pause_that_is_too_long_is_the_callers_to_make() -> None:
    reply = httpx.Response(429, json={"error": "rate"}, headers={"retry-after": "3600"})
    server = ClientServer(replies(reply))
    with pytest.raises(TooManyCalls) as caught:
        server.client.models()
    assert (caught.value.retry_after_seconds, server.pauses) == (3600, [])


def test_what_may_have_begun_is_not_begun_twice() -> None:
    server = ClientServer(replies(httpx.ReadError("reset")))
    with pytest.raises(NoReply, match="http://api/stage does not answer: reset"):
        server.client.retry("r1")
    unsent = ClientServer(replies(httpx.ConnectError("refused"), httpx.Response(202, json=ENDED)))
    assert unsent.client.retry("r1")["id"] == "r1"


@pytest.mark.parametrize(
    ("reply", "kind", "said"),
    [
        (httpx.Response(400, json={"error": "no"}), BadRequest, "400 Bad Request: no"),
        (httpx.Response(401, json={"error": "no"}), Unauthorized, "401 Unauthorized: no"),
        (httpx.Response(403, json={"message": "no"}), Forbidden, "403 Forbidden: no"),
        (httpx.Response(404, json={"error": "no"}), Missing, "404 Not Found: no"),
        (httpx.Response(409, json={"error": "no"}), Conflict, "409 Conflict: no"),
        (httpx.Response(413, json={"message": "no"}), BadRequest, "413 .*: no"),
        (httpx.Response(502, text="<html>"), ServerFailed, "502 Bad Gateway: <html>"),
        (httpx.Response(500), ServerFailed, "500 Internal Server Error: no message"),
        (httpx.Response(200, text="hello"), CallFailed, "200 OK: hello"),
        (httpx.Response(200, json=[1]), CallFailed, r"200 OK: \[1\]"),
        (
            httpx.Response(429, json={"error": {"message": "slow", "code": None}}),
            TooManyCalls,
            "429 Too Many Requests: slow",
        ),
    ],
)
def test_an_error_has_its_own_exception_with_the_servers_words(
    reply: httpx.Response, kind: type[CallFailed], said: str
) -> None:
    reply.headers["x-request-id"] = "c1"
    server = ClientServer(replies(reply), tries=1)
    with pytest.raises(kind, match=said) as caught:
        server.client.models()
    found: Any = caught.value
    assert found.call_id == "c1"


@both
def test_a_reply_that_cannot_be_read_is_no_reply(kind: Kind) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        headers = {"content-encoding": "gzip"}
        return httpx.Response(200, headers=headers, stream=httpx.ByteStream(b"cut"))

    server = kind(answer)
    with pytest.raises(NoReply, match=r"http://api/stage: the reply cannot be decomp.*header"):
        server.client.models()
    assert len(server.calls) == 4


def test_an_affinity_that_no_header_can_carry_is_refused_before_it_is_sent() -> None:
    server = ClientServer(iris)
    for call in (server.client.infer, server.client.call):
        with pytest.raises(InvalidInput, match="serval-affinity: 'müller' given, printable ASCII"):
            call("iris", [1, 2], affinity="müller")


def test_a_server_that_takes_too_long_is_named_and_not_asked_again() -> None:
    server = ClientServer(replies(httpx.ReadTimeout("slow")))
    with pytest.raises(NoReply, match="http://api/stage did not answer within 60 s"):
        server.client.models()
    transport = httpx.MockTransport(replies(httpx.ReadTimeout("slow")))
    with pytest.raises(NoReply, match=r"within 0\.5 s"):
        Client("http://api", "srv_key", timeout_seconds=0.5, transport=transport).models()


@pytest.mark.parametrize("client", [Client, AsyncClient])
@pytest.mark.parametrize(
    ("url", "key", "said"),
    [
        ("http://api", "srv_\n", "copy it again"),
        ("http://api", "", "the API key is empty"),
        ("api.example.com/stage", "srv_key", "the URL 'api.example.com/stage': 'https://…' expect"),
        ("", "srv_key", "the URL '': 'https://…' expected"),
        ("https:///stage", "srv_key", "the URL 'https:///stage': 'https://…' expected"),
        ("http://[::1", "srv_key", r"the URL 'http://\[::1': Invalid port"),
    ],
)
def test_an_address_that_cannot_be_one_is_refused_before_any_call(
    client: type[Client] | type[AsyncClient], url: str, key: str, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        client(url, key)


def test_a_variable_that_is_not_set_is_an_empty_key_or_url() -> None:
    unset: Any = None
    with pytest.raises(ValueError, match="the API key is empty"):
        Client("http://api", unset)
    with pytest.raises(ValueError, match="the URL '': 'https://…' expected"):
        Client(unset, "srv_key")


def test_a_url_that_was_copied_with_its_line_is_the_url() -> None:
    server = ClientServer(iris)
    transport = httpx.MockTransport(server.serve)
    Client("http://api/stage/\n", "srv_key", transport=transport).describe("iris")
    assert server.seen == ["GET /stage/v2/models/iris"]
