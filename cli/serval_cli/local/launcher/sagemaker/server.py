"""The process that stands for an endpoint's instance."""

import http.client
import json
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from serval_cli.local.launcher.sagemaker.storage import DIRECT

HOST = "127.0.0.1"
READY_SECONDS, STOP_SECONDS, POLL_SECONDS = 60.0, 30.0, 0.05
PING_SECONDS = 2.0
END_SECONDS = 2.0
"""In which a server that has dropped a connection ends, if it ends."""


class ServerFailed(Exception):
    """The process failed to start or to answer."""


@dataclass(frozen=True, slots=True)
class Program:
    """The program that runs in place of a container's image."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    """Overridden by the container's own environment."""
    logs: Path

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a program from the launcher's command line."""
        document = json.loads(text)
        return cls(tuple(document["command"]), document["environment"], Path(document["logs"]))


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a server."""

    status: int
    body: bytes
    content_type: str


@dataclass(slots=True)
class Server:
    """A running server, with the number of its users and the time of its last use."""

    process: subprocess.Popen[str]
    url: str
    users: int = 0
    idle_since: float = field(default_factory=time.monotonic)

    @property
    def running(self) -> bool:
        """Whether the process has not ended."""
        return self.process.poll() is None

    def release(self) -> None:
        """Record the end of an invocation."""
        self.users -= 1
        self.idle_since = time.monotonic()

    def idle_for(self, seconds: float) -> bool:
        """Return whether the server has been unused for so long."""
        return not self.users and time.monotonic() - self.idle_since >= seconds

    def post(self, body: bytes, headers: Mapping[str, str], seconds: float) -> Answer:
        """Invoke the server; an error status is an answer too."""
        request = urllib.request.Request(
            f"{self.url}/invocations", data=body, headers=dict(headers), method="POST"
        )
        try:
            with DIRECT.open(request, timeout=seconds) as answer:
                return Answer(answer.status, answer.read(), answer.headers.get("Content-Type", ""))
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.read(), error.headers.get("Content-Type", ""))
        except (OSError, http.client.HTTPException) as error:
            # A connection breaks a moment before the process that held it has ended.
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(END_SECONDS)
            raise ServerFailed(f"{type(error).__name__}: {error}") from error

    def stop(self) -> None:
        """Send SIGTERM, and SIGKILL after the time that SageMaker allows."""
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start(
    name: str, program: Program, environment: Mapping[str, str], said: Callable[[str], None]
) -> Server:
    """Start the server of an endpoint and wait until it answers pings.

    Parameters
    ----------
    said
        Called with each line it prints, which also goes to ``endpoint-<name>.log``.

    Raises
    ------
    ServerFailed
        If it ends, or does not answer within a minute.
    """
    port = free_port()
    process = subprocess.Popen(
        program.command,
        env={**program.environment, **environment, "PORT": str(port)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    log = program.logs / f"endpoint-{name}.log"
    threading.Thread(target=listen, args=(process, log, said), daemon=True).start()
    server = Server(process, f"http://{HOST}:{port}")
    try:
        await_ready(server, log)
    except ServerFailed:
        server.stop()
        raise
    return server


def listen(process: subprocess.Popen[str], log: Path, said: Callable[[str], None]) -> None:
    """Log what a server prints until it ends."""
    assert process.stdout is not None
    with process.stdout as printed, log.open("a", buffering=1) as file:
        for line in printed:
            file.write(line)
            said(line)


def await_ready(server: Server, log: Path) -> None:
    """Wait until a server answers pings, or raise ``ServerFailed``."""
    deadline = time.monotonic() + READY_SECONDS
    while server.running:
        if answers(f"{server.url}/ping"):
            return
        if time.monotonic() > deadline:
            raise ServerFailed(f"no answer to pings in {READY_SECONDS:.0f} s; see {log}")
        time.sleep(POLL_SECONDS)
    raise ServerFailed(f"ended with {server.process.returncode} before it answered; see {log}")


def answers(url: str) -> bool:
    """Return whether a URL answers 200."""
    try:
        with DIRECT.open(url, timeout=PING_SECONDS) as answer:
            return bool(answer.status == 200)
    except (OSError, http.client.HTTPException):
        return False


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
