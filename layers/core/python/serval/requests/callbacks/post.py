"""POST to an address, within a time limit that the receiver cannot stretch."""

import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress

from serval.connections import BrokenAnswer, read_answer, tls_context
from serval.requests.callbacks.urls import CallbackUrl

LIMIT_SECONDS = 10.0
"""For connecting, sending, and the head of the answer, together."""


class NoAnswer(Exception):
    """The receiver could not be reached, or did not answer in time."""


def post(
    url: CallbackUrl,
    address: str,
    headers: Mapping[str, str],
    body: bytes,
    limit_seconds: float = LIMIT_SECONDS,
) -> int:
    """Send a body and return the status; follow no redirects, read no body.

    The certificate must be valid for the host's name, whatever the address.

    Raises
    ------
    NoAnswer
        If no HTTP answer comes within the limit.
    """
    own = {"host": url.authority, "content-length": str(len(body)), "connection": "close"}
    lines = [f"{name}: {value}" for name, value in {**headers, **own}.items()]
    head = "\r\n".join([f"POST {url.target} HTTP/1.1", *lines, "", ""])
    begun = time.monotonic()
    try:
        with socket.create_connection((address, url.port), limit_seconds) as connection:
            left = limit_seconds - (time.monotonic() - begun)
            return exchange(connection, url, head.encode("latin-1") + body, left)
    except (OSError, BrokenAnswer) as error:
        if time.monotonic() - begun >= limit_seconds:
            raise NoAnswer(f"no answer within {limit_seconds:.0f} s") from error
        raise NoAnswer(f"no answer: {error}") from error


def exchange(
    connection: socket.socket, url: CallbackUrl, message: bytes, limit_seconds: float
) -> int:
    """Send, and read the head of the answer; cut the connection at the limit.

    A socket's timeout covers only a single read: a byte now and then would keep it open forever.
    """
    with connection.dup() as held:
        watchdog = threading.Timer(max(limit_seconds, 0), cut, (held,))
        watchdog.start()
        try:
            return converse(connection, url, message)
        finally:
            watchdog.cancel()
            watchdog.join()


def converse(connection: socket.socket, url: CallbackUrl, message: bytes) -> int:
    """Send a message, encrypted if the URL says so, and return the status of the answer."""
    if url.tls:
        connection = tls_context().wrap_socket(connection, server_hostname=url.host)
    with connection, connection.makefile("rb") as stream:
        connection.sendall(message)
        return read_answer(stream).status


def cut(connection: socket.socket) -> None:
    """Shut a connection down, even while another thread reads from it."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
