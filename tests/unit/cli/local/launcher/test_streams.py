"""What a function streams reaches its caller piece by piece, and ends with the caller."""

import asyncio
import json
import queue
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from serval_cli.local.launcher.patches.functions.streams import STREAM_PIECES, StreamedInvocation

WAIT_SECONDS = 10
HEAD = json.dumps({"statusCode": 201, "headers": {"content-type": "text/x"}}).encode() + bytes(8)
Run = Callable[[Any, Any], Coroutine[Any, Any, None]]


def those(*pieces: bytes) -> Iterator[bytes]:
    yield from pieces


def in_worker(pieces: Iterator[bytes], port: int) -> None:
    """Do what the worker's script does with what a handler returns."""
    script: dict[str, Any] = {}
    exec(STREAM_PIECES, script)
    script["stream_pieces"](pieces, port)


class Caller:
    """A caller of the emulator, who may hang up."""

    def __init__(self) -> None:
        self.got: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.gone: asyncio.Event = asyncio.Event()
        self.unread = [{"type": "http.request", "body": b"", "more_body": False}]

    async def send(self, message: dict[str, Any]) -> None:
        await self.got.put(message)

    async def receive(self) -> dict[str, Any]:
        if self.unread:
            return self.unread.pop()
        await self.gone.wait()
        return {"type": "http.disconnect"}


async def begun(pieces: Iterator[bytes], result: Any = (200, {}, b"")) -> tuple[int, Any, Run]:
    """Begin an invocation whose worker sends pieces; return status, headers and the rest."""
    invocation = StreamedInvocation()
    server = await asyncio.start_server(invocation.connect, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    async def whole() -> Any:
        await asyncio.to_thread(in_worker, pieces, port)
        return result

    try:
        return await invocation.begin(asyncio.create_task(whole()), lambda run: run)
    finally:
        server.close()


def test_a_piece_is_passed_on_before_the_next_is_made() -> None:
    onwards: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def pieces() -> Iterator[bytes]:
        yield HEAD
        yield b"one"
        yield onwards.get(timeout=WAIT_SECONDS)

    async def call() -> None:
        status, headers, run = await begun(pieces())
        assert (status, headers) == (201, {"content-type": "text/x"})
        caller = Caller()
        running = asyncio.create_task(run(caller.send, caller.receive))
        assert (await caller.got.get())["body"] == b"one"
        onwards.put(b"two")
        assert (await caller.got.get())["body"] == b"two"
        assert await caller.got.get() == {
            "type": "http.response.body",
            "body": b"",
            "more_body": False,
        }
        await running

    asyncio.run(asyncio.wait_for(call(), WAIT_SECONDS))


def test_a_caller_who_goes_away_ends_the_stream() -> None:
    ended = threading.Event()

    def pieces() -> Iterator[bytes]:
        yield HEAD
        try:
            while True:
                yield bytes(2**20)
        finally:
            ended.set()

    async def call() -> None:
        *_, run = await begun(pieces())
        caller = Caller()
        running = asyncio.create_task(run(caller.send, caller.receive))
        await caller.got.get()
        caller.gone.set()
        await running

    asyncio.run(asyncio.wait_for(call(), WAIT_SECONDS))
    assert ended.is_set()


def test_an_invocation_that_fails_half_way_is_cut_short() -> None:
    async def call() -> list[dict[str, Any]]:
        *_, run = await begun(those(HEAD, b"one"), (502, {}, b"it failed"))
        caller = Caller()
        await run(caller.send, caller.receive)
        return [caller.got.get_nowait() for _ in range(caller.got.qsize())]

    sent = asyncio.run(asyncio.wait_for(call(), WAIT_SECONDS))
    assert [message["body"] for message in sent] == [b"one"]
    assert all(message["more_body"] for message in sent)


def test_an_invocation_that_fails_at_once_is_answered_as_ever() -> None:
    failed = (502, {}, b"it failed")
    assert asyncio.run(asyncio.wait_for(begun(those(), failed), WAIT_SECONDS)) == failed
