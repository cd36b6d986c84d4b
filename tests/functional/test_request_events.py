"""``?stream=true`` and ``GET /async/requests/{id}/events``: from events to replies."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from serval.http.call import HttpCall
from serval.http.protocols.redirect import StreamRedirect
from serval.http.stream import StreamEndpoint
from serval.requests.stream.piece import Piece, StreamChunk
from tests.fakes.inference import bench as inference_bench
from tests.fakes.requests import async_request
from tests.fakes.submission import Bench, answered, call, put, refusal
from tests.fakes.tickets import InMemoryTickets

TEXT: dict[str, Any] = {"name": "text", "shape": [1], "datatype": "BYTES", "data": ["Once"]}
PATH = "/async/requests/r/events"


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.publish_writer()
    bench.store.create(async_request("r", stream=True))
    return bench


def write(bench: Bench, first: int, *texts: str, finish: str | None = None) -> None:
    pieces = [Piece(number=n, id=n, text=text) for n, text in enumerate(texts, first)]
    pieces[-1] = replace(pieces[-1], finish=finish)
    assert bench.streams.append("r", StreamChunk(1, "1", tuple(pieces)), bench.clock())


def close(bench: Bench, status: str, error: str | None = None) -> None:
    row = bench.store.rows["r"]
    bench.store.save(row, replace(row, status=status, error=error))


def ask(**headers: str) -> dict[str, Any]:
    event = call("requests_get", PATH, **{k.replace("_", "-"): v for k, v in headers.items()})
    return event | {"routeKey": "GET /async/requests/{id}/events"}


def read(bench: Bench, **headers: str) -> list[tuple[str, int | None, Any]]:
    """Give the kind, the number and the data of each event of a reply."""
    reply = bench.requests.reply(ask(**headers))
    assert reply["statusCode"] == 200, reply
    assert reply["headers"]["content-type"] == "text/event-stream"
    head, *blocks = reply["body"].removesuffix("\n\n").split("\n\n")
    assert head == "retry: 50"
    return [parse(block) for block in blocks if block]


def parse(block: str) -> tuple[str, int | None, Any]:
    fields = dict(line.split(": ", 1) for line in block.strip().splitlines())
    number = int(fields["id"]) if "id" in fields else None
    return fields["event"], number, json.loads(fields["data"])


def test_a_stream_is_submitted_as_one(bench: Bench) -> None:
    bench.store.rows.clear()
    event = call("submit", body={"inputs": [TEXT]}, query="stream=true")
    answered(bench.submit.reply(event), 202)
    assert bench.row.stream
    bench.store.rows.clear()
    body = {"model": "textgen", "request": {"inputs": [TEXT]}}
    answered(bench.submit.reply(put("mine", body, query="stream=true")), 202)
    assert bench.row.stream
    refused = refusal(bench.submit.reply(put("mine", body)), 409)
    assert "something else was submitted" in refused


def test_what_cannot_be_streamed_is_refused(bench: Bench) -> None:
    two = TEXT | {"shape": [2], "data": ["a", "b"]}
    event = call("submit", body={"inputs": [two]}, query="stream=true")
    assert "one text" in refusal(bench.submit.reply(event), 400)
    event = call("submit", body={"inputs": [TEXT]}, query="stream=maybe")
    assert "true or false" in refusal(bench.submit.reply(event), 400)
    bench.publish("2")
    event = call("submit", query="stream=true", **{"serval-model-version": "2"})
    assert "'text-generation'" in refusal(bench.submit.reply(event), 400)


def test_the_events_that_there_are_come_at_once(bench: Bench) -> None:
    write(bench, 1, "a", "é")
    found = read(bench)
    assert [(kind, number, data["text"]) for kind, number, data in found] == [
        ("token", 1, "a"),
        ("token", 2, "é"),
    ]
    assert bench.time.seconds == 0


def test_a_reader_goes_on_behind_its_last_event_to_the_end(bench: Bench) -> None:
    write(bench, 1, "a", "b", "c", finish="length")
    close(bench, "succeeded")
    kinds = [(kind, number) for kind, number, _ in read(bench, last_event_id="2")]
    assert kinds == [("token", 3), ("end", 3)]
    assert read(bench, last_event_id="3") == [
        ("end", 3, {"id": "r", "status": "succeeded", "error": None})
    ]


def test_the_first_event_is_waited_for(bench: Bench) -> None:
    bench.time.meanwhile = lambda: bench.streams.chunks["r"] or write(bench, 1, "a")
    assert [number for _, number, _ in read(bench)] == [1]
    bench.time.meanwhile = lambda: None
    assert read(bench, last_event_id="1") == []
    assert 20 <= bench.time.seconds < 22


def test_a_request_that_fails_ends_its_stream_with_why(bench: Bench) -> None:
    write(bench, 1, "a")
    close(bench, "failed", "out of memory")
    *_, last = read(bench)
    assert last == ("end", 1, {"id": "r", "status": "failed", "error": "out of memory"})


def test_pieces_that_are_gone_are_an_error_among_the_events(bench: Bench) -> None:
    write(bench, 5, "e")
    [(kind, number, data)] = read(bench)
    assert (kind, number) == ("error", None)
    assert "events 1 to 4 have expired" in data["error"]


def test_bad_calls_are_refused_before_the_first_event(bench: Bench) -> None:
    assert "'two'" in refusal(bench.requests.reply(ask(last_event_id="two")), 400)
    bench.store.rows.clear()
    assert "does not exist" in refusal(bench.requests.reply(ask()), 404)


class NoPlace:
    """``WaitingPlaces`` that are all taken."""

    def take(self) -> str | None:
        return None

    def give_back(self, place: str) -> None:
        raise AssertionError(place)


def test_without_a_waiting_place_nothing_is_waited_for(bench: Bench) -> None:
    bench.places = NoPlace()
    assert read(bench) == []
    assert bench.time.seconds == 0


def stream(bench: Bench, seconds: float = 60.0, **headers: str) -> Any:
    event = ask(**headers)
    made = HttpCall.from_event(event)
    made.names = {"id": "r"}
    return bench.events.stream(made, seconds)


def test_a_streaming_function_sends_events_as_they_come(bench: Bench) -> None:
    write(bench, 1, "a")
    events = stream(bench)
    assert next(events) == "retry: 50\n\n"
    assert parse(next(events))[:2] == ("token", 1)
    bench.time.meanwhile = lambda: bench.time.seconds > 30 and close(bench, "cancelled")
    rest = list(events)
    assert ": nothing yet\n\n" in rest
    assert parse(rest[-1])[:2] == ("end", 1)


@pytest.mark.parametrize("read", [1, 2])
@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, "queued"), ({"serval_on_disconnect": "cancel"}, "cancelled")],
)
def test_a_reader_that_goes_away_cancels_when_it_said_so(
    bench: Bench, headers: dict[str, str], status: str, read: int
) -> None:
    write(bench, 1, "a")
    events = stream(bench, **headers)
    assert [next(events) for _ in range(read)]
    events.close()
    assert bench.store.rows["r"].status == status


def test_a_reader_that_stays_to_the_end_cancels_nothing(bench: Bench) -> None:
    write(bench, 1, "a", finish="length")
    close(bench, "succeeded")
    list(stream(bench, serval_on_disconnect="cancel"))
    assert bench.store.rows["r"].status == "succeeded"
    events = stream(bench, seconds=0.0, serval_on_disconnect="cancel")
    list(events)
    assert bench.store.rows["r"].status == "succeeded"


def test_who_wants_to_follow_is_sent_to_where_events_come_as_they_are_written(
    bench: Bench, tmp_path: Path
) -> None:
    write(bench, 1, "Once", " upon")
    tickets = InMemoryTickets()
    redirect = StreamRedirect("https://stream/", tickets, bench.time)
    endpoint = replace(bench.requests, redirect=redirect)
    asked = ask(last_event_id="1")
    reply = endpoint.reply(
        asked | {"queryStringParameters": {"follow": "true", "model": "textgen"}}
    )
    assert reply["statusCode"] == 307
    place = urlsplit(reply["headers"]["location"])
    query = dict(parse_qsl(place.query))
    assert (place.path, query["model"]) == (PATH, "textgen")
    inference = inference_bench(tmp_path).endpoint
    stream = StreamEndpoint(
        replace(inference, admission=bench.admission), tickets, lambda: bench.events, bench.time
    )
    there = {"queryStringParameters": query, "rawPath": place.path, "pathParameters": None}
    without_key = {k: v for k, v in asked["headers"].items() if k != "authorization"}
    pieces = stream.reply(asked | there | {"headers": without_key})
    head = next(pieces)
    assert json.loads(head[:-8])["headers"]["content-type"] == "text/event-stream"
    assert next(pieces) == b"retry: 50\n\n"
    assert parse(next(pieces).decode())[1] == 2
    write(bench, 3, " a", finish="length")
    assert parse(next(pieces).decode())[:2] == ("token", 3)
    pieces.close()


def test_a_follower_that_goes_away_may_cancel_the_request(bench: Bench, tmp_path: Path) -> None:
    write(bench, 1, "Once")
    endpoint = replace(inference_bench(tmp_path).endpoint, admission=bench.admission)
    stream = StreamEndpoint(endpoint, InMemoryTickets(), lambda: bench.events, bench.time)
    pieces = stream.reply(ask(serval_on_disconnect="cancel"))
    for _ in range(3):
        next(pieces)
    pieces.close()
    assert bench.store.rows["r"].status == "cancelled"


def test_a_request_that_nobody_knows_is_not_followed(bench: Bench, tmp_path: Path) -> None:
    bench.store.rows.clear()
    endpoint = replace(inference_bench(tmp_path).endpoint, admission=bench.admission)
    stream = StreamEndpoint(endpoint, InMemoryTickets(), lambda: bench.events, bench.time)
    assert json.loads(next(stream.reply(ask()))[:-8])["statusCode"] == 404
