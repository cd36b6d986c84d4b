"""Connections: what HTTP/1.1 servers may say, over one socket and the next."""

import contextlib
import io
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from serval import connections
from serval.connections import BrokenAnswer, Connection, HttpAnswer, read_answer

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def answer(said: bytes) -> HttpAnswer:
    return read_answer(io.BytesIO(said))


def test_a_body_of_known_length_is_read_whole_or_in_pieces() -> None:
    said = OK + b"Content-Length: 5\r\nX-Name:  value \r\n\r\nhello, next"
    assert answer(said).read() == b"hello"
    assert answer(said).headers["x-name"] == "value"
    pieces = answer(said)
    assert [pieces.read(2) for _ in range(4)] == [b"he", b"ll", b"o", b""]
    assert pieces.complete
    assert pieces.keep_alive


@pytest.mark.parametrize("amount", [1, 3, 100])
def test_a_chunked_body_is_read_whole_or_in_pieces(amount: int) -> None:
    said = CHUNKED + b"4\r\nhell\r\n2;x=y\r\no,\r\n0\r\nTrailer: x\r\n\r\n"
    assert answer(said).read() == b"hello,"
    pieces = answer(said)
    read = b""
    while piece := pieces.read(amount):
        assert len(piece) <= amount
        read += piece
    assert read == b"hello,"
    assert pieces.complete


@pytest.mark.parametrize(
    "said",
    [OK + b"\r\nhello", b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"],
    ids=["no length", "HTTP/1.0"],
)
def test_a_server_that_hangs_up_is_not_asked_again_there(said: bytes) -> None:
    heard = answer(said)
    assert heard.read() == b"hello"
    assert not heard.keep_alive


def test_interim_answers_are_passed_over() -> None:
    heard = answer(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n")
    assert (heard.status, heard.read(), heard.complete) == (204, b"", True)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 200 OK",
        b"SSH-2.0-server\r\n\r\n",
        b"HTTP/1.1 twohundred\r\n\r\n",
        OK + b"Content-Length: -1\r\n\r\n",
        OK + b"a: b\r\n" * 102 + b"\r\n",
        OK + b"Content-Length: 9\r\n\r\nhello",
        CHUNKED + b"4\r\nhe",
        CHUNKED + b"4\r\nhell\r\n",
        CHUNKED + b"size\r\nhell\r\n",
    ],
)
def test_what_is_no_http_or_ends_too_early_is_said(said: bytes) -> None:
    with pytest.raises(BrokenAnswer):
        answer(said).read()


def serve(accept: Callable[[socket.socket], socket.socket], answers: list[bytes]) -> socket.socket:
    """Answer so many requests on each connection as it is told; empty: hang up."""
    listening = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        while answers:
            try:
                plain, _ = listening.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), plain, accept(plain) as connection:
                while answers and connection.recv(1 << 16):
                    said = answers.pop(0)
                    connection.sendall(said)
                    if not said or b"close" in said:
                        break

    threading.Thread(target=run, daemon=True).start()
    return listening


def test_a_connection_is_kept_while_it_can_be() -> None:
    hello = OK + b"Content-Length: 5\r\n\r\nhello"
    last = OK + b"Content-Length: 5\r\nConnection: close\r\n\r\nhello"
    with serve(lambda plain: plain, [hello, hello, last, hello, hello]) as server:
        asked = Connection("127.0.0.1", server.getsockname()[1], timeout_seconds=5)
        sockets = []
        for unread in (False, False, False, True, False):
            heard = asked.request("GET", "/", {"host": "x"})
            sockets.append(asked._socket)
            if not unread:
                assert heard.read() == b"hello"
        asked.close()
    first, second, third, fourth, fifth = sockets
    assert first is second is third
    assert fourth is not third, "the server hung up"
    assert fifth is not fourth, "nobody read what was still to come"


class Server:
    """Answers one request on a connection, and then hangs up, at once or at the next request."""

    def __init__(self, *, at_once: bool) -> None:
        self.heard: list[bytes] = []
        self.hung_up = threading.Event()
        self._at_once = at_once
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                with connection:
                    self.heard.append(connection.recv(1 << 16))
                    connection.sendall(OK + b"Content-Length: 5\r\n\r\nhello")
                    if not self._at_once:
                        self.heard.append(connection.recv(1 << 16))
                self.hung_up.set()

    def close(self) -> None:
        self._listening.close()


@pytest.mark.parametrize("repeatable", [False, True])
def test_a_server_that_hung_up_in_between_is_asked_over_another_connection(
    repeatable: bool,
) -> None:
    server = Server(at_once=True)
    asked = Connection("127.0.0.1", server.port, timeout_seconds=5)
    assert asked.request("POST", "/", {}, b"1").read() == b"hello"
    assert server.hung_up.wait(5)

    assert asked.request("POST", "/", {}, b"2", repeatable=repeatable).read() == b"hello"

    assert [sent[-1:] for sent in server.heard] == [b"1", b"2"], "each request arrived once"
    asked.close()
    server.close()


def test_a_request_that_may_arrive_twice_is_sent_again_at_once() -> None:
    server = Server(at_once=False)
    asked = Connection("127.0.0.1", server.port, timeout_seconds=5)
    assert asked.request("POST", "/", {}, b"1").read() == b"hello"

    assert asked.request("POST", "/", {}, b"2", repeatable=True).read() == b"hello"

    assert [sent[-1:] for sent in server.heard] == [b"1", b"2", b"2"]
    asked.close()
    server.close()


def test_a_request_that_may_have_arrived_is_not_sent_again_unless_it_may_be() -> None:
    server = Server(at_once=False)
    asked = Connection("127.0.0.1", server.port, timeout_seconds=5)
    assert asked.request("POST", "/", {}, b"1").read() == b"hello"

    with pytest.raises((OSError, BrokenAnswer)):
        asked.request("POST", "/", {}, b"2")

    assert [sent[-1:] for sent in server.heard] == [b"1", b"2"]
    asked.close()
    server.close()


def test_a_first_connection_that_breaks_is_not_tried_again_here() -> None:
    with serve(lambda plain: plain, [b"", OK + b"Content-Length: 0\r\n\r\n"]) as server:
        asked = Connection("127.0.0.1", server.getsockname()[1], timeout_seconds=5)
        with pytest.raises((OSError, BrokenAnswer)):
            asked.request("GET", "/", {}, repeatable=True)
        asked.close()


def test_a_server_must_prove_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, key = tmp_path / "certificate", tmp_path / "key"
    made = f"openssl req -x509 -newkey rsa:2048 -nodes -days 1 -keyout {key} -out {certificate}"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*made.split(), *subject], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def accept(plain: socket.socket) -> socket.socket:
        return context.wrap_socket(plain, server_side=True)

    hello = OK + b"Content-Length: 5\r\n\r\nhello"
    with serve(accept, [hello, b""]) as server:
        port = server.getsockname()[1]
        with pytest.raises(ssl.SSLCertVerificationError, match="self-signed"):
            Connection("localhost", port, tls=True, timeout_seconds=5).request("GET", "/", {})
        trusting = ssl.create_default_context(cafile=certificate)
        monkeypatch.setattr(connections, "tls_context", lambda: trusting)
        named = Connection("localhost", port, tls=True, timeout_seconds=5)
        assert named.request("GET", "/", {"host": "localhost"}).read() == b"hello"
        named.close()
        with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
            Connection("127.0.0.1", port, tls=True, timeout_seconds=5).request("GET", "/", {})
