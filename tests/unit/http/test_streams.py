"""Streams over HTTP: redirected with a ticket, then answered piece by piece."""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.eventstream import EventStreamBuffer

from serval.access.tickets import TICKET_SECONDS
from serval.errors import InferenceFailed
from serval.http.protocols.redirect import StreamRedirect
from serval.http.stream import StreamEndpoint
from serval.models.route import Route
from serval.tasks.generation.text_generation import TextGeneration
from tests.fakes.inference import Bench, bench, event
from tests.fakes.task_models import publish_recorded
from tests.fakes.tickets import InMemoryTickets

SAGEMAKER = "/endpoints/gpt/invocations-response-stream"
URL = "https://id.lambda-url.us-east-1.on.aws/"
PROMPT = {"model": "gpt", "prompt": "Dogs", "max_tokens": 4, "stream": True}
TEXT = {"inputs": "Dogs", "parameters": {"max_new_tokens": 4}, "stream": True}


class Stage:
    """``infer`` and ``stream`` over one edge."""

    def __init__(self, folder: Path) -> None:
        self.bench: Bench = bench(folder)
        self.bench.edge.grant("srv_good")
        publish_recorded(self.bench.edge, "gpt", "gpt2", "text-generation")
        self.tickets = InMemoryTickets()
        redirect = StreamRedirect(URL, self.tickets, self.bench.clock)
        self.infer = replace(self.bench.endpoint, redirect=redirect)
        self.stream = StreamEndpoint(
            replace(self.bench.endpoint, streams=True),
            self.tickets,
            lambda: pytest.fail("no request is followed"),
            self.bench.clock,
        )

    def call(self, path: str, body: Any, *, query: str = "", **headers: str) -> "Streamed":
        """Call the function's URL, where no path parameters come with the event."""
        made = post(path, body, **headers)
        found = {name: values[0] for name, values in parse_qs(query).items()}
        return Streamed(self.stream.reply(made | {"queryStringParameters": found}))


class Streamed:
    """A reply in pieces."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self.pieces = pieces
        head = next(pieces)
        assert head.endswith(bytes(8))
        self.status = json.loads(head[:-8])["statusCode"]
        self.headers = json.loads(head[:-8])["headers"]

    def data(self) -> list[str]:
        """Read the data of all events, each of which is a piece."""
        assert self.status == 200, list(self.pieces)
        assert self.headers["content-type"] == "text/event-stream"
        return [piece.decode().removeprefix("data: ").removesuffix("\n\n") for piece in self.pieces]

    def refusal(self, status: int) -> Any:
        """Read the error of a reply that must refuse."""
        assert self.status == status
        return json.loads(b"".join(self.pieces))["error"]


def post(path: str, body: Any, **headers: str) -> dict[str, Any]:
    made = event("", json.dumps(body), **headers)
    made["requestContext"]["http"]["path"] = path
    return made | {"rawPath": path, "pathParameters": None}


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_tokens_come_as_events_of_openais_api(stage: Stage) -> None:
    *chunks, end = stage.call("/v1/completions", PROMPT).data()
    assert end == "[DONE]"
    whole = json.loads(b"".join(stage.call("/v1/completions", PROMPT | {"stream": False}).pieces))
    texts = [json.loads(chunk)["choices"][0]["text"] for chunk in chunks]
    assert "".join(texts) == whole["choices"][0]["text"]


def test_tokens_come_as_events_of_the_tasks_own_words(stage: Stage) -> None:
    events = [json.loads(data) for data in stage.call("/models/gpt", TEXT).data()]
    whole = json.loads(b"".join(stage.call("/models/gpt", TEXT | {"stream": False}).pieces))
    assert [event["index"] for event in events] == [1, 2, 3, 4]
    assert events[-1]["generated_text"] == whole[0]["generated_text"]


def messages(streamed: Streamed) -> list[Any]:
    """Read the messages of an event stream as AWS's SDK does, one from each piece."""
    buffer = EventStreamBuffer()
    for piece in streamed.pieces:
        buffer.add_data(piece)
    return list(buffer)


def test_tokens_come_as_parts_of_sagemakers_event_stream(stage: Stage) -> None:
    body = {name: value for name, value in TEXT.items() if name != "stream"}
    streamed = stage.call(SAGEMAKER, body)
    assert streamed.headers["content-type"] == "application/vnd.amazon.eventstream"
    assert streamed.headers["x-amzn-sagemaker-content-type"] == "text/event-stream"
    assert streamed.headers["x-amzn-invoked-production-variant"] == "1"
    parts = messages(streamed)
    assert {part.headers[":event-type"] for part in parts} == {"PayloadPart"}
    told = b"".join(part.payload for part in parts).decode()
    assert told.split("\n\n")[:-1] == [
        f"data: {data}" for data in stage.call("/models/gpt", TEXT).data()
    ]


@pytest.mark.parametrize("stream", [{}, {"stream": True}, {"stream": False}])
def test_where_nothing_streams_the_event_stream_has_one_part(
    stage: Stage, stream: dict[str, bool]
) -> None:
    body = {name: value for name, value in TEXT.items() if name != "stream"} | stream
    reply = stage.infer.reply(post(SAGEMAKER, body, content_type="application/json"))
    assert reply["statusCode"] == 200
    buffer = EventStreamBuffer()
    buffer.add_data(base64.b64decode(reply["body"]))
    [part] = buffer
    assert "generated_text" in json.loads(part.payload)[0]


def test_what_fails_after_the_first_part_is_an_exception_of_the_sdk(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Iterator[dict[str, Any]]:
        yield {"index": 1}
        raise InferenceFailed("gpt", "1", "out of memory")

    monkeypatch.setattr("serval.tasks.generation.stream_text.stream_text", broken)
    [_, last] = messages(stage.call(SAGEMAKER, {"inputs": "Dogs"}))
    assert last.headers[":exception-type"] == "ModelStreamError"
    assert "out of memory" in json.loads(last.payload)["Message"]


@pytest.mark.parametrize(("path", "body"), [("/v1/completions", PROMPT), ("/models/gpt", TEXT)])
def test_the_api_redirects_to_the_address_that_streams(stage: Stage, path: str, body: Any) -> None:
    asked = post(path, body) | {"pathParameters": {"model": "gpt"}}
    reply = stage.infer.reply(asked)
    assert reply["statusCode"] == 307
    place = urlsplit(reply["headers"]["location"])
    assert f"{place.scheme}://{place.netloc}/" == URL
    assert stage.bench.edge.reads.count("artifact") == 0, "nothing is loaded for a redirect"
    answered = stage.call(place.path, body, query=place.query, x_api_key="")
    assert len(answered.data()) > 1


@pytest.mark.parametrize("type_", ["application/x-www-form-urlencoded", ""])
def test_curl_streams_without_saying_that_its_body_is_json(stage: Stage, type_: str) -> None:
    def encoded(body: bytes) -> dict[str, Any]:
        made = post("/models/gpt", TEXT, content_type=type_)
        sent = {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
        return made | sent | {"pathParameters": {"model": "gpt"}}

    sent = encoded(b"\n  " + json.dumps(TEXT).encode())
    assert stage.infer.reply(sent)["statusCode"] == 307
    assert len(Streamed(stage.stream.reply(sent)).data()) == 4
    picture = encoded(b'\xff\xd8 "stream": true')
    assert stage.infer.reply(picture)["statusCode"] != 307


def test_a_ticket_lets_in_one_call_within_a_minute(stage: Stage) -> None:
    def ticket() -> str:
        reply = stage.infer.reply(post("/v1/completions", PROMPT))
        return urlsplit(reply["headers"]["location"]).query

    used, late = ticket(), ticket()
    assert len(stage.tickets.stored) == 2
    assert not any(kept in used for kept in stage.tickets.stored), "only its hash is stored"
    stage.call("/v1/completions", PROMPT, query=used).data()
    for query in (used, "ticket=never"):
        error = stage.call("/v1/completions", PROMPT, query=query).refusal(401)
        assert "the ticket is unknown, used or over 60 s old" in error["message"]
    stage.bench.clock.seconds += TICKET_SECONDS
    stage.call("/v1/completions", PROMPT, query=late).refusal(401)


def test_a_ticket_is_as_good_as_its_key(stage: Stage) -> None:
    stage.bench.edge.grant("srv_other", "other")
    reply = stage.infer.reply(post("/v1/completions", PROMPT, x_api_key="srv_other"))
    assert reply["statusCode"] == 403
    stage.infer.reply(post("/v1/completions", PROMPT))
    [ticket] = stage.tickets.stored.values()
    assert ticket.key_hash in stage.bench.edge.keys


def test_behind_a_gateway_that_authenticates_only_tickets_let_in(stage: Stage) -> None:
    admission = replace(stage.bench.endpoint.admission, authenticator=None)
    infer = replace(stage.infer, admission=admission)
    endpoint = replace(stage.stream.endpoint, admission=admission)
    stage.stream = replace(stage.stream, endpoint=endpoint)
    assert "ticket" in stage.call("/v1/completions", PROMPT).refusal(401)["message"]
    reply = infer.reply(post("/v1/completions", PROMPT))
    query = urlsplit(reply["headers"]["location"]).query
    assert stage.call("/v1/completions", PROMPT, query=query).data()[-1] == "[DONE]"


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("/v1/completions", PROMPT | {"max_tokens": 900}, 400, "48 positions"),
        ("/v1/completions", PROMPT | {"model": "absent"}, 404, "'absent'"),
        ("/v1/chat/completions", PROMPT | {"messages": []}, 400, "no chat template"),
        ("/models/gpt", TEXT | {"inputs": ["a", "b"]}, 400, "one expected"),
        ("/models/gpt", TEXT | {"stream": True, "colour": 1}, 400, "'colour'"),
    ],
)
def test_what_is_wrong_before_the_first_token_is_refused_as_ever(
    stage: Stage, path: str, body: Any, status: int, said: str
) -> None:
    error = stage.call(path, body).refusal(status)
    message = error["message"] if path.startswith("/v1") else error
    assert said in message


def test_what_goes_wrong_afterwards_is_the_last_event(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    follow = TextGeneration.follow

    def breaking(*asked: Any) -> Iterator[Any]:
        tokens = follow(*asked)
        yield next(tokens)
        raise InferenceFailed("gpt", "1", "out of memory")

    monkeypatch.setattr(TextGeneration, "follow", breaking)
    *_, last = stage.call("/v1/completions", PROMPT | {"echo": True}).data()
    assert "out of memory" in json.loads(last)["error"]["message"]
    assert json.loads(last)["error"]["type"] == "server_error"
    *_, last = stage.call("/models/gpt", TEXT).data()
    assert "out of memory" in json.loads(last)["error"]
    assert json.loads(last)["error_type"] == "generation"
    assert len(stage.bench.log) == 2


def test_a_candidate_that_cannot_begin_is_replaced_by_the_stable_version(stage: Stage) -> None:
    edge = stage.bench.edge
    edge.records["gpt", "2"] = replace(edge.records["gpt", "1"], version="2")
    edge.routes["gpt"] = Route("1", "2", 100, "rollout", 2)
    assert stage.call("/v1/completions", PROMPT).headers["serval-model-version"] == "1"


def test_a_function_without_streams_says_where_they_are(stage: Stage) -> None:
    own = stage.bench.endpoint.reply(
        post("/models/gpt", TEXT) | {"pathParameters": {"model": "gpt"}}
    )
    assert own["statusCode"] == 400
    assert "/models/gpt/versions/1 has" in json.loads(own["body"])["error"]


def test_models_elsewhere_and_custom_python_are_not_redirected(stage: Stage) -> None:
    redirect = StreamRedirect(URL, stage.tickets, whole={"gpt", "python"})
    infer = replace(stage.infer, redirect=redirect)
    stage.bench.edge.publish_handler("python", b"")
    for model in ("gpt", "python"):
        asked = post(f"/models/{model}", TEXT) | {"pathParameters": {"model": model}}
        assert infer.reply(asked)["statusCode"] != 307
    assert not stage.tickets.stored


def test_an_answer_that_is_no_text_does_not_stream(stage: Stage) -> None:
    publish_recorded(stage.bench.edge, "vectors", "feature-extraction-mean", "feature-extraction")
    error = stage.call("/models/vectors", TEXT | {"parameters": {}}).refusal(400)
    assert "answers as a whole: streams need the task 'text-generation'" in error
