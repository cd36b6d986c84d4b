"""Start processes that answer inference requests: bare, Serval's and KServe's.

Each contender is a context manager around one fresh process. It yields the seconds from spawn to
the first answer, and a function that repeats the request and returns its seconds.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fakes.inference import event
from tests.fakes.lambda_function import INFER, INFER_LAYERS, running
from tests.fakes.runtime_api import RuntimeApi

ROOT = Path(__file__).parents[1]
LAMBDA_PYTHON = ROOT / "build" / "environments" / "lambda-client" / "bin" / "python"
KSERVE_PYTHON = ROOT / "build" / "environments" / "clients" / "bin" / "python"
INFERENCE_LAYER = INFER_LAYERS[1]
BARE_HANDLER = Path(__file__).with_name("bare_handler.py")
KSERVE_SERVER = Path(__file__).with_name("kserve_server.py")
POLL_SECONDS = 0.001
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Running:
    """A process that has answered once."""

    first_seconds: float
    again: Callable[[], float]


def await_answer(api: RuntimeApi, sent: Mapping[str, Any]) -> tuple[float, float]:
    """Invoke; return the time of the answer, and the seconds since the event was handed out."""
    outcome = api.invoke(sent)
    if outcome.kind != "response" or outcome.reply["statusCode"] != 200:
        raise SystemExit(f"the benchmark's own request failed: {outcome.body!r}")
    return outcome.received, outcome.seconds


@contextmanager
def bare(model_file: Path, body: str) -> Iterator[Running]:
    """Run the hard-wired handler under Lambda's own client."""
    with tempfile.TemporaryDirectory() as folder, RuntimeApi() as api:
        shutil.copyfile(BARE_HANDLER, Path(folder) / "handler.py")
        settings = {"MODEL_FILE": str(model_file)}
        sent = event("m", body)
        spawned = time.perf_counter()
        with running(LAMBDA_PYTHON, api, Path(folder), [INFERENCE_LAYER], settings):
            first = await_answer(api, sent)[0] - spawned
            yield Running(first, lambda: await_answer(api, sent)[1])


@contextmanager
def serval(settings: Mapping[str, str], model: str, key: str, body: str) -> Iterator[Running]:
    """Run ``infer`` from its layers under Lambda's own client."""
    with RuntimeApi() as api:
        sent = event(model, body, x_api_key=key)
        spawned = time.perf_counter()
        with running(LAMBDA_PYTHON, api, INFER, INFER_LAYERS, settings):
            first = await_answer(api, sent)[0] - spawned
            yield Running(first, lambda: await_answer(api, sent)[1])


@contextmanager
def kserve(model_file: Path, body: str) -> Iterator[Running]:
    """Run KServe's model server, called over one kept-alive connection."""
    port, spawned = free_port(), time.perf_counter()
    with (
        running_until_killed(kserve_command(port, model_file)) as process,
        contextlib.closing(connect(process, port)) as connection,
    ):
        post(connection, body)
        yield Running(time.perf_counter() - spawned, lambda: post(connection, body))


def kserve_command(port: int, model_file: Path, *steps: str) -> list[str]:
    """Return the command of KServe's model server: one model by V2, or steps by V1."""
    script = [str(KSERVE_SERVER), str(port), str(model_file), str(INFERENCE_LAYER)]
    return [str(KSERVE_PYTHON), "-P", *script, *steps]


def free_port() -> int:
    """Find a port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running_until_killed(
    command: Sequence[str], settings: Mapping[str, str] | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a program, silently."""
    with subprocess.Popen(
        command,
        cwd=tempfile.gettempdir(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | (settings or {}),
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def connect(process: "subprocess.Popen[bytes]", port: int) -> socket.socket:
    """Connect as soon as the server listens."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(ConnectionRefusedError):
            connection = socket.create_connection(("127.0.0.1", port))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection
        time.sleep(POLL_SECONDS)
    raise SystemExit(f"{process.args!r:.80} did not start")


def post(connection: socket.socket, body: str, path: str = "/v2/models/m/infer") -> float:
    """Send an inference request over minimal HTTP; return its seconds."""
    started = time.perf_counter()
    lines = [
        f"POST {path} HTTP/1.1",
        "host: 127.0.0.1",
        "content-type: application/json",
        f"content-length: {len(body)}",
    ]
    connection.sendall("\r\n".join([*lines, "", body]).encode())
    received = connection.recv(1 << 16)
    while b"\r\n\r\n" not in received:
        received += connection.recv(1 << 16)
    head, _, rest = received.partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    while len(rest) < length:
        rest += connection.recv(1 << 16)
    took = time.perf_counter() - started
    if not head.startswith(b"HTTP/1.1 200") or "error" in json.loads(rest):
        raise SystemExit(f"the benchmark's own request failed: {rest!r}")
    return took
