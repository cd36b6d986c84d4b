"""A local stand-in for the API by which Lambda drives a function's process.

It is not Lambda's own: it serves what ``awslambdaric`` and Serval's shutdown hook ask of the
Runtime API (next, response, error, initialisation error) and of the Extensions API (register,
next), on this machine alone. It freezes nothing, limits nothing and checks no deadlines.

Specification: "Lambda runtime API" and "Lambda Extensions API", AWS Lambda Developer Guide.
"""

import contextlib
import json
import queue
import socketserver
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

INVOCATION = "/2018-06-01/runtime/invocation"
INIT_ERROR = "/2018-06-01/runtime/init/error"
REGISTER = "/2020-01-01/extension/register"
EXTENSION_NEXT = "/2020-01-01/extension/event/next"
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the function said of an event, or of its own start."""

    kind: str
    """``response``, ``error`` or ``init error``."""
    body: bytes
    received: float
    """On the clock of ``time.perf_counter``, when the whole of it was here."""
    seconds: float
    """Since the event was handed out."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case; those behind a body in chunks, too."""

    @property
    def reply(self) -> Any:
        """Read the body."""
        return json.loads(self.body)


@dataclass
class RuntimeApi:
    """Hands events to one function and collects what it says; a context manager."""

    events: "queue.SimpleQueue[bytes | None]" = field(default_factory=queue.SimpleQueue)
    outcomes: "queue.SimpleQueue[Outcome]" = field(default_factory=queue.SimpleQueue)
    extensions: list[tuple[str, Any]] = field(default_factory=list)
    """Name of each registered extension, and the events that it asked for."""
    extension_waits: threading.Event = field(default_factory=threading.Event)
    """Set once an extension has asked for its first event."""
    asked: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    """Released whenever the function asks for an event."""
    pieces: "queue.SimpleQueue[bytes]" = field(default_factory=queue.SimpleQueue)
    """What came of bodies in chunks, as it came."""
    hangs_up: bool = False
    """Whether it takes the first chunk of a body alone."""
    handed: float = 0.0
    _closed: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        """Listen on a free port of this machine."""
        self._server = Server(("127.0.0.1", 0), Connection)
        self._server.api = self
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop, and let go of whoever still waits for an event."""
        self._closed.set()
        self.events.put(None)
        self._server.shutdown()
        self._server.server_close()

    @property
    def address(self) -> str:
        """Give what ``AWS_LAMBDA_RUNTIME_API`` is to say."""
        host, port = self._server.server_address[:2]
        return f"{host!s}:{port}"

    def invoke(self, event: Mapping[str, Any]) -> Outcome:
        """Hand out an event and wait for what becomes of it."""
        self.events.put(json.dumps(event).encode())
        return self.outcomes.get(timeout=PATIENCE_SECONDS)

    def answer(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Answer a request: status, headers and body."""
        if (method, path) == ("GET", f"{INVOCATION}/next"):
            return self._next()
        if path.startswith(INVOCATION):
            return self._ended(path.rpartition("/")[2], body, self.handed, headers)
        if path == INIT_ERROR:
            return self._ended("init error", body, time.perf_counter())
        if path == EXTENSION_NEXT:
            self.extension_waits.set()
            self._closed.wait()
            return 200, {}, b"{}"
        return 404, {}, b"{}"

    def register(self, name: str, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        """Register an extension."""
        self.extensions.append((name, json.loads(body)["events"]))
        return 200, {"Lambda-Extension-Identifier": f"extension-{len(self.extensions)}"}, b"{}"

    def _next(self) -> tuple[int, Mapping[str, str], bytes]:
        self.asked.release()
        event = self.events.get()
        headers = {
            "Lambda-Runtime-Aws-Request-Id": "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
            "Lambda-Runtime-Deadline-Ms": str(int(time.time() * 1000) + 60_000),
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:0:function:local",
            "Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0",
            "Content-Type": "application/json",
        }
        self.handed = time.perf_counter()
        return (200, headers, event) if event is not None else (410, {}, b"{}")

    def _ended(
        self, kind: str, body: bytes, since: float, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Mapping[str, str], bytes]:
        now = time.perf_counter()
        self.outcomes.put(Outcome(kind, body, now, now - since, headers or {}))
        return 202, {}, b"{}"


class Server(socketserver.ThreadingTCPServer):
    """One thread for each connection."""

    daemon_threads = True
    block_on_close = False
    api: RuntimeApi


class Connection(socketserver.StreamRequestHandler):
    """Reads requests and writes answers: as little HTTP as the clients speak."""

    disable_nagle_algorithm = True
    server: Server

    def handle(self) -> None:
        """Serve until the client hangs up, or is killed."""
        with contextlib.suppress(ConnectionError):
            self._serve()

    def _serve(self) -> None:
        while request := self.rfile.readline():
            method, path, _ = request.decode().split(" ")
            headers = dict(self._headers())
            if headers.get("transfer-encoding") == "chunked":
                body = b"".join(self._chunks())
                if self.server.api.hangs_up:
                    return
                headers |= dict(self._headers())
            else:
                body = self.rfile.read(int(headers.get("content-length", 0)))
            if path == REGISTER:
                answer = self.server.api.register(headers["lambda-extension-name"], body)
            else:
                answer = self.server.api.answer(method, path, headers, body)
            self._write(*answer)

    def _headers(self) -> list[tuple[str, str]]:
        found = []
        while line := self.rfile.readline().decode().strip():
            name, _, value = line.partition(":")
            found.append((name.lower(), value.strip()))
        return found

    def _chunks(self) -> Iterator[bytes]:
        """Read chunks up to the headers behind them."""
        while size := int(self.rfile.readline(), 16):
            piece = self.rfile.read(size)
            self.rfile.readline()
            self.server.api.pieces.put(piece)
            yield piece
            if self.server.api.hangs_up:
                return

    def _write(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        lines = [f"HTTP/1.1 {status} ", *(f"{name}: {value}" for name, value in headers.items())]
        head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""])
        self.wfile.write(head.encode() + body)
