"""serval/client over real connections: streams that are cut off, and sent elsewhere."""

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from serval.client import AsyncClient, Client, RetryPolicy, StreamEvent

TEXT = [f"word {number}" for number in range(1, 21)]
POLICY = RetryPolicy(first_seconds=0.001)


@dataclass
class Story:
    """Writes a stream in chunks; every connection breaks within an event, until the last."""

    port: int = 0
    asked: list[int] = field(default_factory=list)
    keys: list[tuple[str, str | None]] = field(default_factory=list)

    def handler(self) -> type[BaseHTTPRequestHandler]:
        """Make the class that answers for this story."""
        story = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                host = str(self.headers["host"]).partition(":")[0]
                story.keys.append((host, self.headers["authorization"]))
                if host == "127.0.0.1":
                    self.send_response(307)
                    self.send_header("location", f"http://localhost:{story.port}{self.path}")
                    self.send_header("content-length", "0")
                    self.end_headers()
                    return
                story.write(self, int(self.headers["last-event-id"] or 0))

            def log_message(self, *_: Any) -> None:
                pass

        return Handler

    def write(self, handler: BaseHTTPRequestHandler, after: int) -> None:
        """Write seven events behind one; then cut the connection, or end the stream."""
        self.asked.append(after)
        handler.send_response(200)
        handler.send_header("transfer-encoding", "chunked")
        handler.end_headers()
        for number in range(after + 1, min(after + 7, len(TEXT)) + 1):
            send(handler, event(number, "token", {"text": TEXT[number - 1]}))
        if after + 7 < len(TEXT):
            send(handler, event(after + 8, "token", {"text": "half"})[:-9])
            handler.close_connection = True
            return
        send(handler, event(len(TEXT) + 1, "end", {"status": "succeeded"}))
        handler.wfile.write(b"0\r\n\r\n")


class StoryServer(ThreadingHTTPServer):
    """A server to which a reader that goes away is nothing to tell of."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


def event(number: int, kind: str, data: Any) -> bytes:
    return f"event: {kind}\nid: {number}\ndata: {json.dumps(data)}\n\n".encode()


def send(handler: BaseHTTPRequestHandler, chunk: bytes) -> None:
    handler.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
    handler.wfile.flush()


@pytest.fixture
def story() -> Iterator[Story]:
    """Serve a story on a free port."""
    story = Story()
    server = StoryServer(("127.0.0.1", 0), story.handler())
    story.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield story
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def check(story: Story, events: list[StreamEvent]) -> None:
    """Hold a reader to the text: whole, nothing twice; the key goes to the stage alone."""
    assert [one.number for one in events] == list(range(1, len(TEXT) + 2))
    assert [one.data["text"] for one in events[:-1]] == TEXT
    assert story.asked == [0, 7, 14]
    assert set(story.keys) == {("127.0.0.1", "Bearer srv_key"), ("localhost", None)}


def test_a_stream_that_is_cut_off_comes_whole_and_nothing_twice(story: Story) -> None:
    url = f"http://127.0.0.1:{story.port}"
    with Client(url, "srv_key", policy=POLICY, trust_environment=False) as client:
        check(story, list(client.events("r1")))


async def read(url: str) -> list[StreamEvent]:
    async with AsyncClient(url, "srv_key", policy=POLICY, trust_environment=False) as client:
        return [one async for one in client.events("r1")]


def test_the_same_holds_for_asyncio(story: Story) -> None:
    check(story, asyncio.run(read(f"http://127.0.0.1:{story.port}")))
