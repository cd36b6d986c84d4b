"""A loop of our own over Lambda's Runtime API, since Python's managed runtime does not stream.

A function's module calls it at its end: Lambda's own client imports the module before it asks for
an event, so it never does.

Specification: "Using the Lambda runtime API for custom runtimes" and "Response streaming for custom
runtimes", AWS Lambda Developer Guide.
"""

import base64
import json
import os
import socket
import traceback
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from serval.connections import BrokenAnswer, Connection, read_answer
from serval.settings import TRACE_HEADER
from serval.shutdown import connection_to

INVOCATION = "/2018-06-01/runtime/invocation"
HTTP_RESPONSE = "application/vnd.awslambda.http-integration-response"
ERROR_TYPE, ERROR_BODY = "Lambda-Runtime-Function-Error-Type", "Lambda-Runtime-Function-Error-Body"
END = b"0\r\n\r\n"
Handler = Callable[[Any, Any], Generator[bytes]]


@dataclass(frozen=True, slots=True)
class StreamInvocation:
    """What a handler is told beside its event."""

    aws_request_id: str


def serve_streams(runtime_api: str, handler: Handler, log: Callable[[str], object]) -> None:
    """Answer events one by one, each in pieces, as long as the environment lives.

    Parameters
    ----------
    runtime_api
        Address of the Runtime API, ``host:port``. Empty: nothing is done.
    log
        Prints the trace of a failure.
    """
    if not runtime_api:
        return
    with closing(connection_to(runtime_api)) as events:
        while _serve_next(events, runtime_api, handler, log):
            pass


def _serve_next(
    events: Connection, runtime_api: str, handler: Handler, log: Callable[[str], object]
) -> bool:
    """Wait for an event and answer it; return whether there may be another."""
    answer = events.request("GET", f"{INVOCATION}/next", {"Host": runtime_api})
    body = answer.read()
    if answer.status == 200:
        event = json.loads(body)
        request_id = answer.headers["lambda-runtime-aws-request-id"]
        os.environ[TRACE_HEADER] = answer.headers.get("lambda-runtime-trace-id", "")
        with closing(handler(event, StreamInvocation(request_id))) as pieces:
            _respond(runtime_api, request_id, pieces, log)
    return answer.status == 200


def _respond(
    runtime_api: str, request_id: str, pieces: Iterator[bytes], log: Callable[[str], object]
) -> None:
    """Send pieces as they come; if nobody takes them any more, ask for none."""
    path = f"{INVOCATION}/{request_id}"
    try:
        first = next(pieces)
    except Exception as error:
        log(traceback.format_exc())
        body = json.dumps(_describe(error)).encode()
        headers = {"Host": runtime_api, "Content-Type": "application/json"}
        with closing(connection_to(runtime_api)) as failed:
            failed.request("POST", f"{path}/error", headers, body).read()
        return
    host, _, port = runtime_api.partition(":")
    try:
        with socket.create_connection((host, int(port or 80))) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(_head(runtime_api, f"{path}/response") + _chunk(first))
            connection.sendall(_send_rest(connection, pieces, log))
            with connection.makefile("rb") as answer:
                read_answer(answer).read()
    except (OSError, BrokenAnswer):
        return


def _send_rest(
    connection: socket.socket, pieces: Iterator[bytes], log: Callable[[str], object]
) -> bytes:
    """Send all other pieces; return what ends the body."""
    while True:
        try:
            piece = next(pieces, None)
        except Exception as error:
            log(traceback.format_exc())
            return _broken_off(error)
        if piece is None:
            return END
        if piece:
            connection.sendall(_chunk(piece))


def _head(runtime_api: str, path: str) -> bytes:
    lines = (
        f"POST {path} HTTP/1.1",
        f"Host: {runtime_api}",
        f"Content-Type: {HTTP_RESPONSE}",
        "Lambda-Runtime-Function-Response-Mode: streaming",
        "Transfer-Encoding: chunked",
        f"Trailer: {ERROR_TYPE}, {ERROR_BODY}",
        "",
        "",
    )
    return "\r\n".join(lines).encode()


def _chunk(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece)


def _broken_off(error: Exception) -> bytes:
    described = _describe(error)
    body = base64.b64encode(json.dumps(described).encode()).decode()
    kind = described["errorType"]
    return f"0\r\n{ERROR_TYPE}: {kind}\r\n{ERROR_BODY}: {body}\r\n\r\n".encode()


def _describe(error: Exception) -> dict[str, Any]:
    return {
        "errorMessage": str(error),
        "errorType": type(error).__name__,
        "stackTrace": traceback.format_tb(error.__traceback__),
    }
