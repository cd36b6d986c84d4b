"""Texts of a fleet, read while they are written: from a call, through a worker, to events."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from serval.errors import UnsupportedFeature
from serval.http.distant import DistantTask
from serval.http.protocols.redirect import StreamRedirect
from serval.http.stream import StreamEndpoint
from serval.models.route import Route
from serval.models.tensor import Tensor
from serval.tasks.generation.stream_text import stream_text
from serval.tasks.openai.call import OpenAICall, open_call, stream_call
from serval.tasks.parameters import Parameters
from serval.tasks.payload import Payload
from serval.worker.streams.text import ToldPieces
from tests.fakes.fleet_calls import Fleet
from tests.fakes.inference import bench as inference_bench
from tests.fakes.submission import call
from tests.fakes.task_models import publish_recorded
from tests.fakes.tickets import InMemoryTickets

CHAT, COMPLETIONS, WORDS = "/v1/chat/completions", "/v1/completions", "/models/textgen"
TEMPLATE = "{% for m in messages %}{{ m.role[0] }}: {{ m.content }}\n{% endfor %}a:"
HELLO: dict[str, Any] = {"model": "textgen", "messages": [{"role": "user", "content": "Hi"}]}
USAGE = {"stream_options": {"include_usage": True}}
TOKENS = 9


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    fleet = Fleet(tmp_path)
    publish_recorded(fleet.registry, "textgen", "gpt2", "text-generation", chat_template=TEMPLATE)
    fleet.bench.time.meanwhile = fleet.write
    return fleet


def asked(**more: Any) -> dict[str, Any]:
    return HELLO | {"max_tokens": TOKENS, "stream": True} | more


def begin(fleet: Fleet, body: dict[str, Any], path: str = CHAT, **headers: str) -> dict[str, Any]:
    """Post a call whose answer comes in pieces."""
    reply = fleet.post(body, path, live=True, **headers)
    assert reply["statusCode"] == 200, reply
    assert reply["headers"]["content-type"] == "text/event-stream"
    return reply


def events(pieces: Iterator[bytes]) -> list[tuple[int | None, Any]]:
    """Read events: their numbers, and their documents."""
    found = []
    for block in b"".join(pieces).decode().removesuffix("\n\n").split("\n\n"):
        *numbers, data = [line for line in block.splitlines() if not line.startswith(":")]
        number = int(numbers[0].removeprefix("id: ")) if numbers else None
        data = data.removeprefix("data: ")
        found.append((number, data if data == "[DONE]" else json.loads(data)))
    return found


def told(fleet: Fleet, body: dict[str, Any], path: str = CHAT) -> list[Any]:
    """Return the chunks of a stream that ends well."""
    *chunks, (_, done) = events(begin(fleet, body, path)["chunks"])
    assert done == "[DONE]"
    return [chunk for _, chunk in chunks]


def text_of(chunks: list[Any]) -> str:
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    return "".join(one["delta"].get("content", "") for one in choices)


def whole(fleet: Fleet, body: dict[str, Any], path: str = CHAT) -> Any:
    """Return what is answered without a stream."""
    plain = {k: v for k, v in body.items() if k not in ("stream", "stream_options")}
    fleet.bench.time.meanwhile = fleet.work
    reply = fleet.post(plain, path)
    fleet.bench.time.meanwhile = fleet.write
    assert reply["statusCode"] == 200, reply
    return json.loads(reply["body"])


def newest(fleet: Fleet) -> Any:
    return list(fleet.bench.store.rows.values())[-1]


def result(fleet: Fleet) -> Any:
    """Let the worker close the newest request; return the document that is stored of it."""
    while newest(fleet).open:
        fleet.write()
    stored = fleet.bench.payloads.objects[newest(fleet).response_key]
    [output] = json.loads(stored)["outputs"]
    return json.loads(output["data"][0])


def test_chunks_come_while_the_text_is_written(fleet: Fleet) -> None:
    reply = begin(fleet, asked())
    pieces = reply["chunks"]
    [(_, first), (number, second)] = events(next(pieces) for _ in range(2))
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert second["choices"][0]["delta"]["content"]
    assert number is not None
    assert newest(fleet).status == "running"
    assert reply["headers"]["serval-model-version"] == "1"
    assert reply["headers"]["serval-request-id"] == newest(fleet).id
    assert first["id"] == second["id"] == f"chatcmpl-{newest(fleet).id}"
    assert events(pieces)[-1] == (None, "[DONE]")


@pytest.mark.parametrize(
    ("path", "more"),
    [
        (CHAT, {}),
        (CHAT, {"logprobs": True, "top_logprobs": 2}),
        (CHAT, {"stop": ["e"], "max_tokens": 30}),
        (CHAT, {"temperature": 1.3, "seed": 4}),
        (CHAT, {"num_beams": 3}),
        (COMPLETIONS, {"prompt": "The morning train", "logprobs": 0}),
        (COMPLETIONS, {"prompt": ["The morning train"], "logprobs": 2}),
    ],
)
def test_a_fleets_chunks_are_those_of_a_model_on_lambda(
    fleet: Fleet, path: str, more: dict[str, Any]
) -> None:
    body = {k: v for k, v in asked(**more, **USAGE).items() if path == CHAT or k != "messages"}
    found = told(fleet, body, path)
    loaded = fleet.worker.worker.runner.memory.load(fleet.registry.records["textgen", "1"])
    request = newest(fleet)
    same = OpenAICall(path[4:], "textgen", request.id, found[0]["created"], body)
    assert found == list(stream_call(same, loaded.record, loaded.task))
    stored = result(fleet)
    assert stored["id"] == found[0]["id"]
    assert stored["usage"] == found[-1]["usage"]
    plain = whole(fleet, body, path)
    assert stored["choices"] == plain["choices"]


def test_without_a_wish_for_it_the_usage_is_not_told(fleet: Fleet) -> None:
    chunks = told(fleet, asked())
    assert all("usage" not in chunk for chunk in chunks)
    assert text_of(chunks) == whole(fleet, asked())["choices"][0]["message"]["content"]
    assert chunks[-1]["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize("more", [{}, {"details": True, "top_n_tokens": 2}])
def test_the_hubs_events_come_while_the_text_is_written(fleet: Fleet, more: Any) -> None:
    parameters = {"max_new_tokens": TOKENS, **more}
    body = {"inputs": "The morning train", "parameters": parameters, "stream": True}
    pieces = begin(fleet, body, WORDS)["chunks"]
    first = next(pieces)
    assert newest(fleet).status == "running"
    found = events(iter([first, *pieces]))
    task = fleet.worker.worker.runner.memory.load(fleet.registry.records["textgen", "1"]).task
    lone: Any = stream_text(task, [body["inputs"]], Parameters(parameters))  # type: ignore[arg-type]
    assert [document for _, document in found] == json.loads(json.dumps(list(lone)))
    assert [number for number, _ in found] == list(range(1, TOKENS + 1))


def test_a_reader_that_was_cut_off_goes_on_at_the_requests_events(fleet: Fleet) -> None:
    pieces = begin(fleet, asked())["chunks"]
    read = events(next(pieces) for _ in range(4))
    pieces.close()
    event = call(
        "requests_get",
        f"/async/requests/{newest(fleet).id}/events",
        **{"last-event-id": str(read[-1][0])},
    ) | {"routeKey": "GET /async/requests/{id}/events"}
    rest = ""
    while "event: end" not in rest:
        fleet.write()
        reply = fleet.bench.requests.reply(event)
        event["headers"]["last-event-id"] = last_number(reply["body"], event)
        rest += reply["body"]
    more = "".join(
        json.loads(line.removeprefix("data: ")).get("text", "")
        for line in rest.splitlines()
        if line.startswith("data: ")
    )
    assert text_of([chunk for _, chunk in read]) + more == text_of(told(fleet, asked()))


@pytest.mark.parametrize("more", [{}, {"prompt": "The", "max_tokens": 1}])
def test_wherever_a_reader_is_cut_off_it_has_each_token_once(
    fleet: Fleet, more: dict[str, Any]
) -> None:
    body, path = asked(**more), COMPLETIONS if more else CHAT
    if more:
        del body["messages"]
    *chunks, _ = events(begin(fleet, body, path)["chunks"])
    result(fleet)
    texts = [
        "".join(
            choice.get("text") or choice.get("delta", {}).get("content", "")
            for choice in chunk["choices"]
        )
        for _, chunk in chunks
    ]
    for cut in range(1, len(chunks) + 1):
        last = max((number for number, _ in chunks[:cut] if number), default=0)
        log = fleet.bench.streams.read(newest(fleet).id, 0)
        rest = [one.text for chunk in log for one in chunk.pieces if one.number > last]
        assert "".join(texts[:cut] + rest) == "".join(texts)


def last_number(body: str, event: dict[str, Any]) -> str:
    numbers = [line.removeprefix("id: ") for line in body.splitlines() if line.startswith("id: ")]
    return numbers[-1] if numbers else str(event["headers"]["last-event-id"])


@pytest.mark.parametrize("more", [{}, {"temperature": 1.5, "min_new_tokens": TOKENS}])
def test_a_worker_that_dies_midway_loses_no_token_and_doubles_none(fleet: Fleet, more: Any) -> None:
    pieces = begin(fleet, asked(**more, **USAGE))["chunks"]
    read = [next(pieces) for _ in range(2)]
    fleet.replace_worker("w2")
    numbered = events(iter([*read, *pieces]))
    assert newest(fleet).attempts == 2
    numbers = [number for number, _ in numbered if number is not None]
    assert sorted(set(numbers)) == numbers
    stored = result(fleet)
    chunks = [chunk for _, chunk in numbered if chunk != "[DONE]"]
    assert text_of(chunks) == stored["choices"][0]["message"]["content"]
    assert chunks[-1]["usage"]["completion_tokens"] == TOKENS


def test_what_is_wrong_before_the_first_token_is_no_stream(fleet: Fleet) -> None:
    reply = fleet.post(asked(max_tokens=500), CHAT, live=True)
    assert reply["statusCode"] == 400
    error = json.loads(reply["body"])["error"]
    assert error["code"] == "context_length_exceeded"
    assert "48 positions" in error["message"]
    reply = fleet.post(asked(stream_options={"colour": 1}), CHAT, live=True)
    assert (reply["statusCode"], "stream_options" in reply["body"]) == (400, True)


@pytest.mark.parametrize(
    ("path", "body"),
    [(CHAT, asked()), (WORDS, {"inputs": "The", "stream": True})],
)
def test_what_goes_wrong_midway_is_the_last_event(
    fleet: Fleet, path: str, body: dict[str, Any]
) -> None:
    pieces = begin(fleet, body, path)["chunks"]
    next(pieces)

    def fail() -> None:
        row = newest(fleet)
        failed = replace(row, status="failed", error="out of memory")
        fleet.bench.store.save(row, failed)

    fleet.bench.time.meanwhile = fail
    *_, (number, last) = events(pieces)
    assert number is None
    assert "out of memory" in json.dumps(last["error"])
    if path == CHAT:
        assert last["error"]["type"] == "server_error"


@pytest.mark.parametrize(("ended", "status"), [("cancelled", 409), ("failed", 500)])
@pytest.mark.parametrize("live", [True, False])
def test_a_request_that_has_ended_without_its_text_is_not_sent_again_by_the_client(
    fleet: Fleet, ended: str, status: int, *, live: bool
) -> None:
    """OpenAI's clients repeat calls answered with 409 or 500: a cancelled one would run again."""

    def end() -> None:
        row = newest(fleet)
        fleet.bench.store.save(row, replace(row, status=ended, error="it was ended"))

    fleet.bench.time.meanwhile = end
    reply = fleet.post(asked(stream=live), CHAT, live=live)
    assert (reply["statusCode"], reply["headers"]["x-should-retry"]) == (status, "false")


def test_a_fleet_that_sleeps_is_not_waited_for_longer_than_a_call_may_take(fleet: Fleet) -> None:
    fleet.bench.time.meanwhile = lambda: None
    reply = fleet.post(asked(), CHAT, live=True)
    assert reply["statusCode"] == 503
    assert 25 <= fleet.bench.time.seconds < 27
    assert reply["headers"]["retry-after"]
    assert reply["headers"]["x-should-retry"] == "false"
    assert reply["headers"]["serval-request-id"] == newest(fleet).id
    assert newest(fleet).status == "queued"
    assert newest(fleet).stream


def test_beams_search_before_their_text_takes_turns_with_others(fleet: Fleet) -> None:
    """They know nothing of it until they know all: no stream waits for that."""
    loaded = fleet.worker.worker.runner.memory.load(fleet.registry.records["textgen", "1"])

    def open_searched(body: dict[str, Any]) -> ToldPieces:
        element = OpenAICall("chat/completions", "textgen", "r", 0, body).to_element()
        return ToldPieces(open_call(element, loaded.record, loaded.task, "r", 1, []))

    plain = {"messages": HELLO["messages"], "max_tokens": TOKENS}
    text = open_searched(plain | {"num_beams": 3})
    pieces = text.pieces()
    [answer] = text.outputs()
    read = "".join(piece.text for piece in pieces)
    assert json.loads(answer.array[0])["choices"][0]["message"]["content"] == read


def test_a_quiet_stream_stays_open(fleet: Fleet) -> None:
    pieces = begin(fleet, asked())["chunks"]
    read = [next(pieces), next(pieces)]
    fleet.bench.time.meanwhile = lambda: None
    read.append(next(pieces))
    assert read[-1] == b": nothing yet\n"
    fleet.bench.time.meanwhile = fleet.write
    *_, (number, _), (_, last), (_, done) = events(iter([*read, *pieces]))
    assert (number, last["choices"][0]["finish_reason"], done) == (TOKENS, "length", "[DONE]")


@pytest.mark.parametrize(
    ("headers", "wanted"), [({}, False), ({"serval_on_disconnect": "cancel"}, True)]
)
def test_a_reader_that_goes_away_cancels_when_it_said_so(
    fleet: Fleet, headers: dict[str, str], wanted: bool
) -> None:
    pieces = begin(fleet, asked(), **headers)["chunks"]
    next(pieces)
    pieces.close()
    assert newest(fleet).cancel_requested is wanted


def test_a_reader_that_stays_to_the_end_cancels_nothing(fleet: Fleet) -> None:
    list(begin(fleet, asked(), serval_on_disconnect="cancel")["chunks"])
    assert not newest(fleet).cancel_requested
    reply = fleet.post(asked(), CHAT, live=True, serval_on_disconnect="stop")
    assert reply["statusCode"] == 400


def test_the_version_that_writes_is_the_one_that_is_named(fleet: Fleet) -> None:
    fleet.registry.records["textgen", "2"] = replace(
        fleet.registry.records["textgen", "1"], version="2"
    )
    fleet.registry.routes["textgen"] = Route("1", "2", percent=100)
    reply = begin(fleet, asked())
    [(_, first)] = events(iter([next(reply["chunks"])]))
    assert reply["headers"]["serval-model-version"] == newest(fleet).version
    assert first["system_fingerprint"] == f"version-{newest(fleet).version}"


@pytest.mark.parametrize("path", [CHAT, WORDS])
def test_a_call_that_wants_a_stream_is_sent_to_where_tokens_come_as_they_are_born(
    fleet: Fleet, tmp_path: Path, path: str
) -> None:
    tickets, bench = InMemoryTickets(), fleet.bench
    endpoint = replace(bench.wait, redirect=StreamRedirect("https://stream/", tickets, bench.time))
    body = asked() if path == CHAT else {"inputs": "The", "stream": True}
    event = call("wait", path, body)
    reply = endpoint.reply(event)
    assert reply["statusCode"] == 307
    assert not bench.store.rows
    assert not bench.limits.taken, "the call is counted where it is answered"
    place = urlsplit(reply["headers"]["location"])
    assert place.path == path
    inference = replace(inference_bench(tmp_path).endpoint, admission=bench.admission)
    stream = StreamEndpoint(
        inference,
        tickets,
        lambda: bench.events,
        bench.time,
        frozenset(["textgen"]),
        lambda: fleet.live,
    )
    there = {"queryStringParameters": dict(parse_qsl(place.query)), "pathParameters": None}
    headers = {k: v for k, v in event["headers"].items() if k != "x-api-key"}
    pieces = stream.reply(event | there | {"headers": headers})
    head = json.loads(next(pieces)[:-8])
    assert (head["statusCode"], head["headers"]["serval-request-id"]) == (200, newest(fleet).id)
    assert newest(fleet).status == "running"
    assert events(pieces)
    assert sum(bench.limits.taken.values()) == 1


def test_where_answers_come_whole_no_text_is_begun() -> None:
    def send(*_: Any, **__: Any) -> list[Tensor]:
        raise AssertionError("nothing is sent")

    task = DistantTask("text-generation", send)
    with pytest.raises(UnsupportedFeature, match="redirected"):
        list(task.tell(Payload(["The"], False, Parameters())))


def test_texts_that_a_log_cannot_hold_come_whole(fleet: Fleet) -> None:
    endpoint = replace(
        fleet.bench.wait, redirect=StreamRedirect("https://stream/", InMemoryTickets())
    )
    fleet.bench.time.meanwhile = fleet.work
    reply = endpoint.reply(call("wait", CHAT, asked(n=2)))
    assert reply["statusCode"] == 200, reply
    assert not newest(fleet).stream
