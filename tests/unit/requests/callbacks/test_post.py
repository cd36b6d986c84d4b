"""One POST to one address: real servers on loopback, good and bad."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from serval.requests.callbacks import post as posting
from serval.requests.callbacks.post import NoAnswer, post
from serval.requests.callbacks.urls import CallbackUrl
from tests.fakes.receivers import Receiver, certificate, receiving

HOST = "shop.example.com"


def plain(receiver_port: int, target: str = "/serval?order=1") -> CallbackUrl:
    return CallbackUrl(False, HOST, receiver_port, target)


@contextmanager
def talking(talk: Callable[[socket.socket], object]) -> Iterator[int]:
    """Give the port of a server that does as it likes with one connection."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            connection.settimeout(1)  # a server whose client has left may not notice
            with connection:
                try:
                    talk(connection)
                except OSError:
                    return

        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()


def test_the_body_and_the_headers_arrive_and_the_host_is_the_url_s() -> None:
    with receiving(Receiver(202)) as receiver:
        status = post(plain(receiver.port), "127.0.0.1", {"webhook-id": "msg_1"}, b"{}")
    (sent,) = receiver.received
    assert status == 202
    assert (sent.method, sent.path, sent.body) == ("POST", "/serval?order=1", b"{}")
    assert sent.headers["host"] == f"{HOST}:{receiver.port}"
    assert sent.headers["webhook-id"] == "msg_1"
    assert sent.headers["connection"] == "close"


def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    with receiving(Receiver(200)) as inner:
        headers = {"location": f"http://127.0.0.1:{inner.port}/metadata"}
        with receiving(Receiver(307, headers)) as receiver:
            assert post(plain(receiver.port), "127.0.0.1", {}, b"{}") == 307
    assert inner.received == []


def test_an_answer_is_not_read_beyond_its_head() -> None:
    """The server never gets rid of its endless body, and we do not wait for it."""
    written: list[int] = []

    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(10_000):
            written.append(connection.send(b"x" * 65536))

    with talking(talk) as port:
        assert post(plain(port), "127.0.0.1", {}, b"{}") == 200
    assert sum(written) < 64 * 2**20


def test_a_certificate_has_to_be_good_for_the_host_whatever_the_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, trusting = certificate(tmp_path, HOST)
    with receiving(Receiver(200), server) as receiver:
        url = CallbackUrl(True, HOST, receiver.port, "/")
        with pytest.raises(NoAnswer, match=r"certificate verify failed: self.signed"):
            post(url, "127.0.0.1", {}, b"{}")
        monkeypatch.setattr(posting, "tls_context", lambda: trusting)
        assert post(url, "127.0.0.1", {}, b"{}") == 200
        other = CallbackUrl(True, "other.example.com", receiver.port, "/")
        with pytest.raises(NoAnswer, match="Hostname mismatch"):
            post(other, "127.0.0.1", {}, b"{}")
    assert len(receiver.received) == 1


STRETCHED_SECONDS = 60.0
"""More than any machine takes for 0.2 s, and less than what the other side makes of it."""


def drip(connection: socket.socket) -> None:
    """Send a byte now and then, so that no single read ever times out.

    To TLS it is the begin of a long message of its handshake, to HTTP a line without an end.
    """
    connection.sendall(b"\x16\x03\x03\x3f\xff\x02\x00\x3f\xfb")
    for _ in range(round(2 * STRETCHED_SECONDS / 0.005)):
        connection.sendall(b"\x00")
        time.sleep(0.005)


def silence(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def interim(connection: socket.socket) -> None:
    """Announce an answer over and over."""
    while True:
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100)


@pytest.mark.parametrize("talk", [drip, silence, interim])
@pytest.mark.parametrize("tls", [False, True])
def test_nothing_that_the_other_side_does_stretches_the_time(
    tls: bool, talk: Callable[[socket.socket], object]
) -> None:
    with talking(talk) as port:
        begun = time.monotonic()
        with pytest.raises(NoAnswer):
            post(CallbackUrl(tls, HOST, port, "/"), "127.0.0.1", {}, b"{}", 0.2)
        assert time.monotonic() - begun < STRETCHED_SECONDS


def test_time_that_is_up_is_said_so() -> None:
    with talking(silence) as port, pytest.raises(NoAnswer, match="no answer within 0 s"):
        post(plain(port), "127.0.0.1", {}, b"{}", 0.1)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n", "is not a status line of HTTP/1"),
        (b"", "the connection ends within a line"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200, "more than 100 headers"),
    ],
)
def test_what_is_not_http_is_no_answer(answer: bytes, problem: str) -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(answer)

    with talking(talk) as port, pytest.raises(NoAnswer, match=problem):
        post(plain(port), "127.0.0.1", {}, b"{}")


def test_a_port_that_nobody_listens_on_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(NoAnswer, match="refused"):
        post(plain(port), "127.0.0.1", {}, b"{}")


def test_the_certificates_of_this_machine_are_trusted() -> None:
    assert posting.tls_context().verify_mode is ssl.CERT_REQUIRED
    assert posting.tls_context().check_hostname
