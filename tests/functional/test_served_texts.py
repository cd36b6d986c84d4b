"""Texts that an inference server of a fleet writes, read while it writes them."""

import base64
import json
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import JSONResponse, Response

from serval.models.signature import Signature, TensorSpec
from serval.tasks.openai.call import OpenAICall
from serval.tasks.openai.document import AnswerHead
from serval.worker.streams.served import ServedText
from tests.fakes.fleet_calls import Fleet
from tests.fakes.http_servers import REFUSAL, CompletionsServer, running, write_chunk
from tests.functional.test_live_texts import begin, events, newest, result, text_of, told

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
PROMPTS = Signature((TensorSpec("prompt", "BYTES", (-1,)),), (TensorSpec("text", "BYTES", (-1,)),))
ASKED = "a question of some length"
ANSWER = ASKED[::-1]
WAIT_SECONDS = 60


@pytest.fixture
def server() -> CompletionsServer:
    return CompletionsServer()


@pytest.fixture
def fleet(tmp_path: Path, server: CompletionsServer) -> Iterator[Fleet]:
    fleet = Fleet(tmp_path)
    fleet.registry.publish("textgen", "1", b"", PROMPTS)
    key = ("textgen", "1")
    bundle = {"runtime": {"kind": "http", "protocol": "openai"}}
    fleet.registry.records[key] = replace(
        fleet.registry.records[key], runtime="http", bundle=bundle
    )
    fleet.bench.time.meanwhile = lambda: write(fleet)
    with running(server.app()) as port:
        fleet.world.port = port
        yield fleet


def write(fleet: Fleet) -> None:
    """Let the worker take the next piece of each stream, once the server has told it."""
    fleet.work()
    until = time.monotonic() + WAIT_SECONDS
    streams = fleet.worker.worker.streams._streams
    while not all(one.ended or one.text.ready() for one in streams):
        assert time.monotonic() < until
        time.sleep(0.002)
    fleet.write()


def chat(**more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": ASKED}]
    return {"model": "textgen", "messages": messages, "stream": True} | more


def test_a_servers_text_comes_while_it_is_written(fleet: Fleet, server: CompletionsServer) -> None:
    pieces = begin(fleet, chat(temperature=0.7))["chunks"]
    [(begun, first), (number, second)] = events(next(pieces) for _ in range(2))
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert second["choices"][0]["delta"]["content"] == ANSWER[:3]
    assert (begun, number, newest(fleet).status) == (1, 2, "running")
    assert events(pieces)[-1] == (None, "[DONE]")
    [asked] = server.asked
    assert (asked["model"], asked["stream"], asked["temperature"]) == ("gpt", True, 0.7)
    assert asked["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize(
    ("path", "body"), [(CHAT, chat()), (COMPLETIONS, {"prompt": ASKED, "stream": True})]
)
def test_the_chunks_and_the_result_have_the_servers_text_and_usage(
    fleet: Fleet, path: str, body: dict[str, Any]
) -> None:
    body = body | {"model": "textgen", "stream_options": {"include_usage": True}}
    chunks = told(fleet, body, path)
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    stored = result(fleet)
    [choice] = stored["choices"]
    if path == CHAT:
        assert text_of(chunks) == choice["message"]["content"] == ANSWER
    else:
        assert "".join(one["text"] for one in choices) == choice["text"] == ANSWER
    assert choices[-1]["finish_reason"] == choice["finish_reason"] == "length"
    usage = {"prompt_tokens": 5, "completion_tokens": 17, "total_tokens": 22}
    assert stored["usage"] == chunks[-1]["usage"] == usage
    assert stored["id"] == chunks[0]["id"]


def test_line_breaks_of_unicode_are_text_to_the_server_and_to_every_client(fleet: Fleet) -> None:
    """Lines of httpx, which the hub's client reads, end with them."""
    said = "one\u2028two\u2029three\x85four"
    body = chat(messages=[{"role": "user", "content": said}])
    assert text_of(told(fleet, body)) == said[::-1]


def test_another_worker_goes_on_with_a_text_whose_pieces_it_cuts_otherwise(
    fleet: Fleet, server: CompletionsServer
) -> None:
    pieces = begin(fleet, chat(temperature=1))["chunks"]
    read = [next(pieces) for _ in range(3)]
    fleet.replace_worker("w2")
    server.characters = 4
    chunks = events(iter([*read, *pieces]))
    numbers = [number for number, _ in chunks if number is not None]
    assert numbers == sorted(set(numbers))
    assert text_of([chunk for _, chunk in chunks[:-1]]) == ANSWER
    first, second = server.asked
    assert first["seed"] == second["seed"]


def test_a_server_that_goes_on_with_another_text_has_failed(
    fleet: Fleet, server: CompletionsServer
) -> None:
    pieces = begin(fleet, chat())["chunks"]
    next(pieces), next(pieces), next(pieces)
    fleet.replace_worker("w2")
    server.cut = lambda text: list(text.upper())  # type: ignore[method-assign]
    [(_, error)] = events(iter([list(pieces)[-1]]))
    assert "another text than before" in error["error"]["message"]
    assert newest(fleet).status == "failed"


def test_an_answer_without_an_end_has_failed(fleet: Fleet, server: CompletionsServer) -> None:
    server.unfinished = True
    [*_, (_, error)] = events(begin(fleet, chat())["chunks"])
    assert "has no end" in error["error"]["message"]


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ('{"error": {"message": "out of memory"}}', "the inference server says: {'message': 'out"),
        ("{broken", "answered what is no JSON object"),
        ('["chunk"]', "answered what is no JSON object"),
        ('{"choices": [7]}', "the inference server's chunk is none"),
    ],
)
def test_an_event_that_is_no_chunk_fails_the_text_and_says_so(
    fleet: Fleet, server: CompletionsServer, event: str, said: str
) -> None:
    begun = write_chunk({"choices": [{"index": 0, "delta": {"content": "so"}}]})
    body = f"{begun}data: {event}\n\n"
    server.stream = lambda _: Response(body, media_type="text/event-stream")  # type: ignore[method-assign]
    [*_, (_, error)] = events(begin(fleet, chat())["chunks"])
    assert said in error["error"]["message"]
    assert "model 'textgen' version '1'" in error["error"]["message"]
    assert newest(fleet).status == "failed"


def test_a_server_that_does_not_stream_has_its_whole_answer_told(
    fleet: Fleet, server: CompletionsServer
) -> None:
    whole = {"choices": [{"message": {"content": ANSWER}, "finish_reason": "stop"}]}
    server.stream = lambda _: JSONResponse(whole)  # type: ignore[method-assign]
    assert text_of(told(fleet, chat())) == ANSWER


@pytest.mark.parametrize("live", [True, False])
def test_what_the_server_refuses_is_told_in_its_words(fleet: Fleet, *, live: bool) -> None:
    body = {"model": "textgen", "prompt": "bad", "stream": live}
    reply = fleet.post(body, COMPLETIONS, live=live)
    assert reply["statusCode"] == 400
    message = "the inference server refuses these inputs: no such prompt"
    assert json.loads(reply["body"])["error"] == REFUSAL | {"message": message}


@pytest.mark.parametrize(
    ("refusal", "shown", "said"),
    [
        ({"message": "too long", "type": "BadRequestError", "code": 400}, "too long", True),
        ({"error": {"message": "too long", "param": None, "code": ["a"]}}, "too long", False),
        ({"error": {"message": ["too", "long"]}}, '{"error":{"message":["too","long"]}}', False),
        ({"error": "too long"}, '{"error":"too long"}', False),
        (["too long"], '["too long"]', False),
    ],
)
def test_of_a_refusal_in_other_shapes_what_can_be_told_is(
    fleet: Fleet, server: CompletionsServer, refusal: Any, shown: str, *, said: bool
) -> None:
    server.refusal = refusal
    reply = fleet.post({"model": "textgen", "prompt": "bad"}, COMPLETIONS)
    error = json.loads(reply["body"])["error"]
    assert error["message"] == f"the inference server refuses these inputs: {shown}"
    assert error["type"] == ("BadRequestError" if said else "invalid_request_error")
    assert (error["param"], error["code"]) == (None, None)


def test_what_a_model_thinks_is_kept_beside_its_answer(
    fleet: Fleet, server: CompletionsServer
) -> None:
    server.thought = "Turn it round."
    assert text_of(told(fleet, chat())) == ANSWER
    assert result(fleet)["choices"][0]["message"]["reasoning_content"] == "Turn it round."


def thinking(begun: str, logged: int, on: threading.Event) -> tuple[ServedText, threading.Event]:
    """Return a text whose server thinks until it may go on, and what says that it thinks."""
    thinks = threading.Event()

    def tell(_: OpenAICall) -> Iterator[Mapping[str, Any]]:
        for delta in ({"role": "assistant", "content": ""}, {"reasoning_content": "Well"}):
            yield {"choices": [{"delta": delta}]}
        thinks.set()
        assert on.wait(WAIT_SECONDS)
        yield {"choices": [{"delta": {"content": "Yes"}, "finish_reason": "stop"}]}

    asked = OpenAICall("chat/completions", "textgen", "r", 0, {})
    head = AnswerHead("r", 0, "textgen", "1", None)
    return ServedText(asked, head, tell, begun, logged), thinks


def test_while_a_model_thinks_its_stream_has_begun_and_holds_up_no_other() -> None:
    on = threading.Event()
    text, thinks = thinking("", 0, on)
    assert thinks.wait(WAIT_SECONDS)
    assert text.ready()
    pieces = text.pieces()
    begun = next(pieces)
    assert (begun.number, begun.text) == (1, "")
    assert not text.ready()
    on.set()
    assert [(one.number, one.text, one.finish) for one in pieces] == [
        (2, "Yes", None),
        (3, "", "stop"),
    ]


def test_a_text_that_has_begun_is_not_ready_while_its_model_thinks_again() -> None:
    on = threading.Event()
    text, thinks = thinking("Ye", 2, on)
    assert thinks.wait(WAIT_SECONDS)
    assert not text.ready()
    on.set()
    pieces = list(text.pieces())
    assert [(one.number, one.text) for one in pieces] == [(3, "s"), (4, "")]


@pytest.mark.parametrize(
    "more", [{"tools": [{"type": "function", "function": {"name": "f"}}]}, {"logprobs": True}]
)
def test_an_answer_with_more_than_a_text_comes_whole(fleet: Fleet, more: dict[str, Any]) -> None:
    fleet.bench.time.meanwhile = fleet.work
    reply = fleet.post(chat(**more), CHAT, live=True)
    assert reply["headers"]["content-type"] == "text/event-stream"
    assert not newest(fleet).stream


def test_no_likely_tokens_are_probabilities_all_the_same(fleet: Fleet) -> None:
    fleet.bench.time.meanwhile = fleet.work
    body = {"model": "textgen", "prompt": ASKED, "logprobs": 0, "stream": True}
    assert fleet.post(body, COMPLETIONS, live=True)["statusCode"] == 200
    assert not newest(fleet).stream


def test_chunks_of_a_whole_answer_have_no_usage_but_the_last(fleet: Fleet) -> None:
    fleet.bench.time.meanwhile = fleet.work
    body = chat(n=2, stream_options={"include_usage": True})
    reply = fleet.post(body, CHAT, live=True)
    [*chunks, (_, last), (_, done)] = events(iter([base64.b64decode(reply["body"])]))
    assert {chunk["usage"] for _, chunk in chunks} == {None}
    assert (last["choices"], "usage" in last, done) == ([], True, "[DONE]")
