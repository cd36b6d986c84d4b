"""Stream what a function answers at its URL, piece by piece; the emulator waits for the whole.

A worker's handler that streams returns an iterator of bytes, as our loop over Lambda's Runtime API
takes it. Here the worker sends them over a socket of this invocation, and the emulator passes them
on. If the client goes away, the socket is closed, and the worker asks for no more of them.
"""

import asyncio
import json
from contextvars import ContextVar
from typing import Any

from serval_cli.local.launcher.emulator import Emulator, WrongEmulator

NAMES = (
    "lambda_runtime/_PYTHON_WORKER_SCRIPT",
    "lambda_svc/_build_function_url_event",
    "lambda_svc/handle_function_url_request",
    "lambda_svc/resolve_function_url",
    "responses/StreamingResponse",
)
CALLED = "            result = handler_fn(event, context)\n"
"""The worker's call of a handler."""
INSTEAD = """\
            stream_port = event.pop("stream_port", None) if isinstance(event, dict) else None
            result = handler_fn(event, context)
            if stream_port is not None:
                result = stream_pieces(result, stream_port)
            elif hasattr(result, "__next__"):
                result = b"".join(result).decode()
"""
STREAM_PIECES = """
def stream_pieces(pieces, port):
    import contextlib, socket
    with contextlib.closing(pieces), socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            try:
                connection.sendall(piece)
            except OSError:
                return

"""
RUN = "\ndef run():\n"
PRELUDE_END = bytes(8)
MOST_BYTES = 65_536
Reply = tuple[int, dict[str, Any], Any]


def apply(emulator: Emulator) -> None:
    """Answer calls of streaming URLs by what their functions send over a socket."""
    runtime, service = emulator.lambda_runtime, emulator.lambda_svc
    script = runtime._PYTHON_WORKER_SCRIPT
    for text in (CALLED, RUN):
        if script.count(text) != 1:
            raise WrongEmulator(f"the worker's script does not contain {text!r} exactly once")
    script = script.replace(RUN, STREAM_PIECES + RUN).replace(CALLED, INSTEAD)
    runtime._PYTHON_WORKER_SCRIPT = script
    ports: ContextVar[int | None] = ContextVar("stream_port", default=None)
    build_event, handle = service._build_function_url_event, service.handle_function_url_request

    def build_with_port(*args: Any, **options: Any) -> dict[str, Any]:
        event: dict[str, Any] = build_event(*args, **options)
        port = ports.get()
        return event if port is None else {**event, "stream_port": port}

    async def handle_in_pieces(url_id: str, *args: Any, **options: Any) -> Reply:
        resolved = options.get("resolved") or service.resolve_function_url(url_id)
        if resolved is None or resolved[-1].get("InvokeMode") != "RESPONSE_STREAM":
            whole: Reply = await handle(url_id, *args, **options)
            return whole
        invocation = StreamedInvocation()
        server = await asyncio.start_server(invocation.connect, "127.0.0.1", 0)
        ports.set(server.sockets[0].getsockname()[1])
        try:
            return await invocation.begin(
                asyncio.create_task(handle(url_id, *args, **options)),
                emulator.responses.StreamingResponse,
            )
        finally:
            server.close()

    service._build_function_url_event = build_with_port
    service.handle_function_url_request = handle_in_pieces


class StreamedInvocation:
    """An invocation whose function sends its answer over a socket."""

    def __init__(self) -> None:
        self._connected: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = (
            asyncio.get_running_loop().create_future()
        )

    def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take the worker's connection."""
        self._connected.set_result((reader, writer))

    async def begin(self, whole: "asyncio.Task[Reply]", streaming: Any) -> Reply:
        """Wait for status and headers; if there are none, the invocation's end is the reply."""
        either: set[asyncio.Future[Any]] = {whole, self._connected}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not self._connected.done():
            return await whole
        reader, writer = self._connected.result()
        try:
            head = await reader.readuntil(PRELUDE_END)
        except asyncio.IncompleteReadError:
            writer.close()
            return await whole
        prelude = json.loads(head.removesuffix(PRELUDE_END))

        async def run(send: Any, receive: Any) -> None:
            gone = asyncio.ensure_future(hung_up(receive))
            while piece := await next_piece(reader, gone):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            writer.close()
            status, *_ = await whole
            if not gone.done() and status < 500:  # otherwise the answer is cut short
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            gone.cancel()

        return int(prelude["statusCode"]), dict(prelude["headers"]), streaming(run)


async def hung_up(receive: Any) -> None:
    """Wait until the client is gone; what is left of its request comes first."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def next_piece(reader: asyncio.StreamReader, gone: "asyncio.Future[Any]") -> bytes:
    """Read what comes next; nothing, once the client is gone."""
    read = asyncio.ensure_future(reader.read(MOST_BYTES))
    await asyncio.wait({read, gone}, return_when=asyncio.FIRST_COMPLETED)
    if gone.done():
        read.cancel()
        return b""
    return read.result()
