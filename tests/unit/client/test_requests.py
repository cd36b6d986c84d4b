"""serval/client: async requests and their streams, by both clients."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from serval.client import (
    Conflict,
    InvalidInput,
    Missing,
    NotEnded,
    NotSucceeded,
    StreamEvent,
    StreamLost,
)
from serval.client.events import EventParser
from serval.client.task_bodies import call_request
from tests.fakes.client_server import ClientServer
from tests.unit.client.test_calls import ENDED, FLOWER, Kind, both, replies

REQUEST = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 1], "data": [1]}]}


STORY = httpx.Response(200, json={"name": "story", "inputs": [], "task": "text-generation"})


def document(status: str, **more: Any) -> httpx.Response:
    found = {"id": "r1", "status": status, "model": "m", "error": None, **more}
    headers = {} if status in ("succeeded", "failed") else {"retry-after": "3"}
    return httpx.Response(200, json=found, headers=headers)


@both
def test_a_request_is_put_under_one_id_however_often_it_is_sent(kind: Kind) -> None:
    server = kind(replies(httpx.ReadError("reset"), document("queued")))
    server.client.submit("m", REQUEST, version="2", callback_url="https://x")
    first, second = server.calls
    assert first.method == "PUT"
    assert (first.url, first.content) == (second.url, second.content)
    assert json.loads(first.content) == {
        "model": "m",
        "version": "2",
        "callback_url": "https://x",
        "request": REQUEST,
    }


def test_an_id_of_ones_own_names_the_request() -> None:
    server = ClientServer(replies(httpx.Response(409, json={"error": "another"})))
    with pytest.raises(Conflict, match="another"):
        server.client.submit("m", REQUEST, request_id="order-7")
    assert server.seen == ["PUT /stage/async/requests/order-7"]


@both
def test_what_is_large_is_uploaded_without_the_key(kind: Kind) -> None:
    upload = {"id": "u1", "method": "PUT", "upload_url": "http://s3/u1?sig"}
    server = kind(
        replies(
            httpx.Response(200, json={"name": "m", "inputs": [FLOWER], "outputs": []}),
            httpx.Response(201, json=upload),
            httpx.Response(200),
            document("queued"),
        )
    )
    server.client.submit("m", np.zeros((2_000_000, 2), np.float32))
    _, asked, sent, put = server.calls
    assert asked.url.path == "/stage/async/models/m/uploads"
    assert (sent.url, "authorization" in sent.headers) == ("http://s3/u1?sig", False)
    assert json.loads(asked.content) == {"size_bytes": len(sent.content)}
    told = json.loads(put.content)
    assert (put.url.path, told["upload"]) == ("/stage/async/requests/u1", True)
    assert len(sent.content) - told["inference_header_content_length"] == 16_000_000


def test_an_upload_has_no_id_of_ones_own() -> None:
    half = {"inputs": [{"name": "x", "datatype": "FP16", "shape": [1], "data": [1]}]}
    with pytest.raises(ValueError, match="an upload's id is the stage's"):
        ClientServer(replies()).client.submit("m", half, request_id="mine")


@both
def test_a_request_is_awaited_with_the_servers_pauses(kind: Kind) -> None:
    server = kind(replies(document("queued"), document("running"), httpx.Response(200, json=ENDED)))
    assert server.client.wait("r1", model="iris")["y"][0] == [1, 2]
    assert server.pauses == [3, 3]


def test_a_request_that_failed_says_why() -> None:
    server = ClientServer(replies(document("failed", error="out of memory")))
    with pytest.raises(NotSucceeded, match="request r1 is failed: out of memory") as caught:
        server.client.wait("r1")
    assert caught.value.document["status"] == "failed"


def test_a_request_without_a_reason_has_none_in_its_exception() -> None:
    client = ClientServer(lambda _: document("cancelled")).client
    with pytest.raises(NotSucceeded, match=r"^request r1 is cancelled$"):
        client.result(client.request("r1"))


@both
def test_a_request_that_has_not_ended_has_no_result(kind: Kind) -> None:
    client = kind(lambda _: document("running")).client
    with pytest.raises(NotEnded, match=r"^request r1 is running, and goes on$"):
        client.result(client.request("r1"))


def test_waiting_ends_with_the_time_that_was_given() -> None:
    server = ClientServer(lambda _: document("running"))
    with pytest.raises(NotEnded, match="request r1 is running, and goes on"):
        server.client.wait("r1", timeout_seconds=5)
    assert server.pauses == [3, 2]


@both
def test_a_large_result_is_fetched_again_when_its_url_has_expired(kind: Kind) -> None:
    array = np.array([7], np.float32)
    output = {"name": "y", "datatype": "FP32", "shape": [1]}
    head = json.dumps({"outputs": [{**output, "parameters": {"binary_data_size": 4}}]}).encode()
    urls = iter(("http://s3/old", "http://s3/new"))

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "api":
            more = {"response_url": next(urls), "response_header_length": len(head)}
            return document("succeeded", **more)
        assert "authorization" not in request.headers
        if request.url.path == "/old":
            return httpx.Response(403, text="<Error/>")
        return httpx.Response(200, content=head + array.tobytes())

    assert kind(answer).client.wait("r1", arrays=True)["y"].tolist() == [7]


@both
def test_a_file_is_submitted_in_the_words_of_its_task(kind: Kind, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    described = {"name": "m", "inputs": [], "task": "automatic-speech-recognition"}
    upload = {"id": "u1", "method": "PUT", "upload_url": "http://s3/u1"}
    output = {"name": "answers", "datatype": "BYTES", "shape": [1], "data": ['{"text": "hi"}']}
    server = kind(
        replies(
            httpx.Response(200, json=described),
            httpx.Response(201, json=upload),
            httpx.Response(200),
            document("queued"),
            document("succeeded", response={"outputs": [output]}),
        )
    )
    if kind is ClientServer:
        client = server.client
        client.submit_call("m", tmp_path / "a.wav", parameters={"language": "de"})
        sent = server.calls[2].content
        assert sent.endswith(b"\x04\0\0\0RIFF")
        assert client.wait_call("u1").value == {"text": "hi"}
    else:
        server.client.submit_call("m", tmp_path / "a.wav")


@pytest.mark.parametrize(
    ("task", "given", "name", "elements"),
    [
        ("text-classification", {"inputs": ["a", "b"]}, "text", ["a", "b"]),
        ("text-classification", {"inputs": {"text": "a"}}, "args", ['{"text": "a"}']),
        ("tabular-regression", {"rows": [{"x": 1}, {"x": 2}]}, "args", ['{"x": 1}', '{"x": 2}']),
        ("tabular-regression", {"rows": {"x": [1, 2]}}, "args", ['{"x": 1}', '{"x": 2}']),
        ("image-classification", {"inputs": b"PNG"}, "image", [b"PNG"]),
    ],
)
def test_each_task_has_its_tensor(
    task: str, given: dict[str, Any], name: str, elements: list[Any]
) -> None:
    built = call_request(task, given.get("inputs"), given.get("rows"), None)["inputs"]
    shape = [len(elements)]
    assert built == [{"name": name, "datatype": "BYTES", "shape": shape, "data": elements}]


def test_what_a_task_cannot_take_is_refused_before_it_is_sent() -> None:
    with pytest.raises(ValueError, match="takes the bytes of a file"):
        call_request("image-classification", "a.png", None, None)
    with pytest.raises(ValueError, match="one of inputs and rows"):
        call_request("tabular-regression", None, None, None)
    tensors = httpx.Response(200, json={"name": "m", "inputs": [FLOWER], "outputs": []})
    with pytest.raises(InvalidInput, match="model 'm' has no task"):
        ClientServer(replies(tensors)).client.submit_call("m", "a")


@pytest.mark.parametrize(
    ("text", "content_type", "value"),
    [
        ("7 apples", "text/plain", None),
        ("7", "text/plain", None),
        ('{"n": 7}', "application/json", {"n": 7}),
    ],
)
def test_a_container_that_takes_long_answers_as_one_that_does_not(
    text: str, content_type: str, value: Any
) -> None:
    """What the API says at once and what the request's document has make the same answer."""
    headers = {"content-type": content_type, "serval-model-version": "3"}
    at_once = ClientServer(replies(httpx.Response(200, text=text, headers=headers)))
    running = httpx.Response(503, json={"error": "on"}, headers={"serval-request-id": "r1"})
    outputs = [
        {"name": name, "datatype": "BYTES", "shape": [1], "data": [given]}
        for name, given in (("answer", text), ("content_type", content_type))
    ]
    ended = document("succeeded", response={"model_version": "3", "outputs": outputs})
    later = ClientServer(replies(running, ended))
    quick, slow = (server.client.call("boxed", b"body") for server in (at_once, later))
    assert (slow.value, slow.content, slow.content_type) == (value, text.encode(), content_type)
    assert replace(quick, headers={}) == slow


@both
def test_requests_are_yielded_as_each_ends(kind: Kind) -> None:
    looks = {"a": iter(["running", "succeeded"]), "b": iter(["failed"])}

    def answer(request: httpx.Request) -> httpx.Response:
        own = request.url.path.rpartition("/")[2]
        return document(next(looks[own]), id=own)

    ended = list(kind(answer).client.as_completed(["a", "b"]))
    assert [(found["id"], found["status"]) for found in ended] == [
        ("b", "failed"),
        ("a", "succeeded"),
    ]


@both
def test_whoever_waits_for_many_says_for_how_long(kind: Kind) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        own = request.url.path.rpartition("/")[2]
        return document("running" if own == "a" else "failed", id=own)

    server = kind(answer)
    with pytest.raises(NotEnded, match=r"^requests that go on: a$"):
        list(server.client.as_completed(["a", "b"], timeout_seconds=2.5))


@both
def test_requests_are_listed_page_by_page(kind: Kind) -> None:
    server = kind(
        replies(
            httpx.Response(200, json={"requests": [{"id": "a"}], "next": "c/1"}),
            httpx.Response(200, json={"requests": [{"id": "b"}], "next": None}),
        )
    )
    assert [one["id"] for one in server.client.requests(status="failed")] == ["a", "b"]
    assert server.seen[1] == "GET /stage/async/requests?status=failed&cursor=c%2F1&limit=100"


def test_a_request_is_cancelled_by_its_id() -> None:
    server = ClientServer(replies(document("cancelled")))
    assert server.client.cancel("r 1", model="m")["status"] == "cancelled"
    assert server.seen == ["DELETE /stage/async/requests/r%201?model=m"]


def event(number: int, text: str, kind: str = "token") -> bytes:
    return f"id: {number}\nevent: {kind}\ndata: {json.dumps({'text': text})}\n\n".encode()


@both
def test_a_stream_goes_on_where_it_was_lost_each_event_once(kind: Kind) -> None:
    asked: list[str] = []

    def lost() -> Iterator[bytes]:
        yield event(1, "a") + event(2, "é")[:20]
        yield event(2, "é")[20:] + b": still here\r\n\r\n" + event(3, "c")[:9]
        raise httpx.ReadError("reset")

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers.get("last-event-id", ""))
        if len(asked) == 1:
            return httpx.Response(200, content=lost())
        if len(asked) == 2:
            return httpx.Response(503, json={"error": "not yet"})
        rest = event(2, "é") + event(3, "c") + event(3, "", "end") + event(4, "never")
        return httpx.Response(200, content=iter([rest]))

    server = kind(answer)
    events = list(server.client.events("r1", model="m"))
    assert [(one.number, one.data["text"]) for one in events] == [
        (1, "a"),
        (2, "é"),
        (3, "c"),
        (3, ""),
    ]
    assert asked == ["", "2", "2"]
    assert server.seen[0] == "GET /stage/async/requests/r1/events?model=m&follow=true"


@both
def test_a_text_is_submitted_and_read_while_it_is_written(kind: Kind) -> None:
    written = httpx.Response(200, content=iter([event(1, " upon") + event(1, "", "end")]))
    server = kind(replies(STORY, httpx.ReadError("reset"), document("queued"), written))
    parameters = {"max_new_tokens": 1}
    events = server.client.stream("story", "Once", parameters=parameters, request_id="mine")
    assert "".join(one.data["text"] for one in events) == " upon"
    assert server.seen[1:] == [
        *["PUT /stage/async/requests/mine?stream=true"] * 2,
        "GET /stage/async/requests/r1/events?model=story&follow=true",
    ]
    inputs = json.loads(server.calls[1].content)["request"]["inputs"]
    assert {one["name"]: one["data"] for one in inputs} == {
        "text": ["Once"],
        "parameters": ['{"max_new_tokens": 1}'],
    }


def test_a_reader_that_has_the_end_gets_it_again() -> None:
    server = ClientServer(replies(httpx.Response(200, content=iter([event(8, "", "end")]))))
    assert [one.kind for one in server.client.events("r1", after=8)] == ["end"]


@both
def test_a_request_that_ends_before_its_first_token_has_an_end(kind: Kind) -> None:
    server = kind(replies(httpx.Response(200, content=iter([event(0, "", "end")]))))
    assert [(one.number, one.kind) for one in server.client.events("r1")] == [(0, "end")]


@both
def test_a_reply_that_ends_without_an_event_is_asked_for_again_as_the_server_wishes(
    kind: Kind,
) -> None:
    empty = [httpx.Response(200, content=iter([b"retry: 50\n\n"])) for _ in range(9)]
    server = kind(replies(*empty, httpx.Response(200, content=iter([event(8, "", "end")]))))
    (end,) = server.client.events("r1", after=7)
    assert (end.number, server.pauses) == (8, [0.05] * 9)
    assert all(call.headers["last-event-id"] == "7" for call in server.calls)


@both
def test_a_stream_whose_connections_break_is_given_up(kind: Kind) -> None:
    server = kind(replies(*[httpx.ReadError("reset")] * 4))
    with pytest.raises(StreamLost, match=r"the stream of request r1: .*reset"):
        list(server.client.events("r1"))
    assert len(server.pauses) == 3


@both
def test_what_is_no_stream_is_not_asked_for_again(kind: Kind) -> None:
    page = {"content-type": "text/html"}
    portal = kind(lambda _: httpx.Response(200, headers=page, content=iter([b"<html>"])))
    with pytest.raises(StreamLost, match="answered with text/html, text/event-stream expected"):
        list(portal.client.events("r1"))
    assert len(portal.calls) == 1


@both
def test_an_error_in_a_stream_is_raised_and_a_refused_stream_is_what_it_is(kind: Kind) -> None:
    said = b'event: error\ndata: {"error": "gone"}\n\n'
    with pytest.raises(StreamLost, match="gone"):
        list(kind(replies(httpx.Response(200, content=iter([said])))).client.events("r1"))
    absent = kind(replies(httpx.Response(404, json={"error": "no request"})))
    with pytest.raises(Missing, match="no request"):
        list(absent.client.events("r1"))


def test_events_are_found_however_the_bytes_were_cut() -> None:
    whole = b"data: no number\n\nid: 1\r\ndata: a\r\ndata: b\r\n\r\n" + event(2, "ü", "end")
    for size in (1, 3, len(whole)):
        parser = EventParser()
        pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
        found = [one for piece in pieces for one in parser.feed(piece)]
        assert found == [StreamEvent(1, "message", "a\nb"), StreamEvent(2, "end", {"text": "ü"})]


class Forever(httpx.SyncByteStream):
    """A stream that has no end, and knows whether it was left."""

    closed = False

    def __iter__(self) -> Iterator[bytes]:
        yield from (event(number, "x") for number in range(1, 1000))

    def close(self) -> None:
        self.closed = True


def test_leaving_a_stream_closes_its_connection() -> None:
    stream = Forever()
    events = ClientServer(lambda _: httpx.Response(200, stream=stream)).client.events("r1")
    assert next(iter(events)).number == 1
    assert not stream.closed
    del events
    assert stream.closed
