"""HTTP/1.1 over one kept-alive socket, as far as AWS and Lambda's own APIs use it.

``http.client`` reads headers with the ``email`` package. Importing the two took a third of the
time that ``infer`` spent on imports beside numpy and ONNX Runtime.

Specification: RFC 9112.
"""

import select
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    import ssl

LONGEST_LINE = 1 << 16
MOST_HEADERS = 100
BODILESS = frozenset({204, 304})


class BrokenAnswer(Exception):
    """The answer is not HTTP, or ends too early."""


@cache
def tls_context() -> "ssl.SSLContext":
    """Load the machine's certificate authorities; once, since it takes some 20 ms."""
    import ssl

    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


@dataclass(slots=True)
class HttpAnswer:
    """A status, headers, and a body to be read on demand."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    keep_alive: bool
    _stream: BinaryIO
    _left: int | None
    """Unread bytes of the body, or of its chunk; None if it ends with the connection."""
    _chunked: bool = False

    @property
    def complete(self) -> bool:
        """Whether the whole body has been read."""
        return self._left == 0 and not self._chunked

    def read(self, amount: int | None = None) -> bytes:
        """Read the rest of the body, or at most ``amount`` bytes of it.

        Raises
        ------
        BrokenAnswer
            If the body ends too early; not while reading ``amount`` bytes of a plain one.
        """
        if self._chunked:
            return self._read_chunks(amount)
        if self._left is None:
            return self._stream.read(-1 if amount is None else amount)
        wanted = self._left if amount is None else min(amount, self._left)
        found = self._stream.read(wanted)
        self._left -= len(found)
        if len(found) < wanted:
            self.keep_alive = False
            if amount is None:
                raise BrokenAnswer(f"{self._left} bytes of the body are missing")
        return found

    def _read_chunks(self, amount: int | None) -> bytes:
        found = bytearray()
        while self._chunked and (amount is None or len(found) < amount):
            if not self._left:
                self._next_chunk()
                continue
            wanted = self._left if amount is None else min(amount - len(found), self._left)
            piece = self._stream.read(wanted)
            if len(piece) < wanted:
                raise BrokenAnswer("a chunk of the body ends too early")
            found += piece
            self._left -= wanted
            if not self._left:
                read_line(self._stream)
        return bytes(found)

    def _next_chunk(self) -> None:
        size = read_line(self._stream).partition(b";")[0]
        try:
            self._left = int(size, 16)
        except ValueError:
            raise BrokenAnswer(f"{size[:20]!r} is not the length of a chunk") from None
        if not self._left:
            read_headers(self._stream)
            self._chunked = False


@dataclass(slots=True)
class Connection:
    """One connection at a time to one server, opened when needed."""

    host: str
    port: int
    tls: bool = False
    timeout_seconds: float | None = None
    _socket: socket.socket | None = None
    _stream: BinaryIO | None = None
    _answer: HttpAnswer | None = None

    def request(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes = b"",
        *,
        repeatable: bool = False,
    ) -> HttpAnswer:
        """Send a request and return the answer, its body unread.

        A server hangs up on a client that is silent for long, as a frozen Lambda environment is.
        If that shows before the request is sent, a new connection is opened. If it shows only
        afterwards, a ``repeatable`` request is sent a second time; it must do no harm twice.

        Raises
        ------
        OSError
            If the server cannot be reached.
        BrokenAnswer
            If the answer is not HTTP.
        """
        if not self._reusable():
            self.close()
        kept = self._socket is not None
        own = {"accept-encoding": "identity"}
        if body or method != "GET":
            own["content-length"] = str(len(body))
        lines = [f"{name}: {value}" for name, value in ({**headers, **own}).items()]
        head = "\r\n".join([f"{method} {target} HTTP/1.1", *lines, "", ""])
        message = head.encode("latin-1") + body
        try:
            return self._exchange(message)
        except (OSError, BrokenAnswer) as error:
            if isinstance(error, TimeoutError) or not (kept and repeatable):
                raise
        self.close()
        return self._exchange(message)

    def _exchange(self, message: bytes) -> HttpAnswer:
        connection, stream = self._open()
        connection.sendall(message)
        self._answer = read_answer(stream)
        return self._answer

    def _reusable(self) -> bool:
        """Check that the last answer was read to its end and the server has not hung up."""
        if self._socket is None or self._answer is None:
            return False
        if not (self._answer.keep_alive and self._answer.complete):
            return False
        # Between two requests a server sends nothing but the end of the connection.
        readable = select.poll()
        readable.register(self._socket, select.POLLIN)
        return not readable.poll(0)

    def _open(self) -> tuple[socket.socket, BinaryIO]:
        if self._socket is None or self._stream is None:
            connection = socket.create_connection((self.host, self.port), self.timeout_seconds)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket = connection
            if self.tls:
                self._socket = tls_context().wrap_socket(connection, server_hostname=self.host)
            self._stream = self._socket.makefile("rb")
        return self._socket, self._stream

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        for held in (self._stream, self._socket):
            if held is not None:
                held.close()
        self._socket = self._stream = self._answer = None


def read_answer(stream: BinaryIO) -> HttpAnswer:
    """Read an answer up to its body."""
    status, version = 100, b""
    while status // 100 == 1:
        version, _, rest = read_line(stream).partition(b" ")
        if not version.startswith(b"HTTP/1.") or not rest[:3].isdigit():
            raise BrokenAnswer(f"{(version + b' ' + rest)[:80]!r} is not a status line of HTTP/1")
        status = int(rest[:3])
        headers = read_headers(stream)
    keep_alive = version == b"HTTP/1.1" and headers.get("connection", "").lower() != "close"
    if status in BODILESS:
        return HttpAnswer(status, headers, keep_alive, stream, 0)
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return HttpAnswer(status, headers, keep_alive, stream, 0, True)
    length = headers.get("content-length", "")
    if not length:
        return HttpAnswer(status, headers, False, stream, None)
    if not (length.isascii() and length.isdigit()):
        raise BrokenAnswer(f"content-length {length[:20]!r} is not a number")
    return HttpAnswer(status, headers, keep_alive, stream, int(length))


def read_headers(stream: BinaryIO) -> dict[str, str]:
    """Read header lines up to the empty line."""
    headers: dict[str, str] = {}
    for _ in range(MOST_HEADERS + 1):
        found = read_line(stream)
        if not found:
            return headers
        name, _, value = found.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    raise BrokenAnswer(f"more than {MOST_HEADERS} headers")


def read_line(stream: BinaryIO) -> bytes:
    """Read a line and strip its end."""
    found = stream.readline(LONGEST_LINE)
    if not found.endswith(b"\n"):
        raise BrokenAnswer(f"the connection ends within a line: {found[:80]!r}")
    return found.rstrip(b"\r\n")
