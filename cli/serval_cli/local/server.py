"""Start the emulator as a process and wait until it is ready."""

import fcntl
import json
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import httpx

from serval_cli.failures import CommandFailed
from serval_cli.local import aws_client
from serval_cli.local.log_files import StepFailed
from serval_cli.local.processes.started import StartedProcesses
from serval_cli.local.toolchain import Toolchain

HOST = "127.0.0.1"
FIRST_PORT, PORTS = 4600, 100
INVOCATIONS = 4
"""Of a function at a time, unless somebody wishes for more: each one's environment takes a second
of a core to start, and Lambda's limit of ten seconds for it holds here too."""
READY_SECONDS = 60.0
POLL_SECONDS = 0.05
PYTHON_SOURCES = Path(__file__).resolve().parents[2]
"""The folder from which the launcher is imported."""
NAME = "server"
PERMISSIONS = "permissions.json"
"""File among the logs in which the emulator records what roles are granted and use."""
INHERITED = ("PATH", "LANG", "TZ", "HOME", "TMPDIR", "PYTHONNOUSERSITE", "PYTHONUNBUFFERED")
"""Variables of the emulator's environment that its child processes inherit."""


class NoFreePort(CommandFailed):
    """All ports that the platform may use are taken."""

    def __init__(self, ports: range) -> None:
        super().__init__(f"ports {ports.start} to {ports.stop - 1} of {HOST} are all in use")


@contextmanager
def free_port(wanted: int | None) -> Iterator[int]:
    """Find a free port: the wanted one, or the first from 4600 on.

    Until the block ends, which should be when something listens, no other stage finds it.
    """
    ports = range(FIRST_PORT, FIRST_PORT + PORTS) if wanted is None else range(wanted, wanted + 1)
    for port in ports:
        lock_file = Path(tempfile.gettempdir()) / f"serval-{os.getuid()}-port-{port}.lock"
        with lock_file.open("w") as lock:
            if try_lock(lock) and is_free(port):
                yield port
                return
    raise NoFreePort(ports)


def try_lock(lock: IO[str]) -> bool:
    """Lock a file unless another process has, and tell whether it is ours now."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_free(port: int) -> bool:
    """Return whether nothing listens on a port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def environment(port: int, temporary: Path) -> dict[str, str]:
    """Return the environment of the emulator and its functions, with nothing of the caller's."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "HOME": str(temporary),
        "TMPDIR": str(temporary),
        "PYTHONNOUSERSITE": "1",
        "PYTHONUNBUFFERED": "1",
        "BIND_HOST": HOST,
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": HOST,
        # Each of these would listen on every interface.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        # The emulator would look for its own containers there, and remove them.
        "DOCKER_HOST": f"unix://{temporary}/no-docker",
        "LOG_LEVEL": "WARNING",
    }


def endpoint_server(
    toolchain: Toolchain, port: int, temporary: Path, logs: Path
) -> Mapping[str, object]:
    """Describe what the emulator runs in place of a SageMaker endpoint's image."""
    clean = environment(port, temporary)
    kept = {name: clean[name] for name in INHERITED}
    return {
        "command": toolchain.worker("serve"),
        "environment": aws_client.environment(f"http://{HOST}:{port}", kept)
        | {"PYTHONPATH": str(toolchain.library)},
        "logs": str(logs),
    }


def start(
    started: StartedProcesses,
    toolchain: Toolchain,
    *,
    port: int,
    temporary: Path,
    log: Path,
    concurrency: int,
) -> subprocess.Popen[str]:
    """Start the emulator and wait until it answers."""
    temporary.mkdir(mode=0o700, parents=True)
    command = [
        str(toolchain.emulator_python),
        "-m",
        "serval_cli.local.launcher",
        "--python",
        f"python3.13={toolchain.functions_python}",
        "--concurrency",
        str(concurrency),
        "--server",
        json.dumps(endpoint_server(toolchain, port, temporary, log.parent)),
        "--permissions",
        str(log.parent / PERMISSIONS),
    ]
    with log.open("w") as output:
        process = started.start(
            NAME,
            command,
            environment=environment(port, temporary),
            folder=PYTHON_SOURCES,
            output=output,
        )
    # The emulator writes this file once it owns the port; until then another one may answer there.
    await_ready(process, port, temporary / f"ministack-{port}.pid", log)
    return process


def await_ready(process: subprocess.Popen[str], port: int, own: Path, log: Path) -> None:
    """Wait until the file exists and the emulator answers, or raise ``StepFailed``."""
    deadline = time.monotonic() + READY_SECONDS
    with httpx.Client(trust_env=False, timeout=5) as client:
        while process.poll() is None and time.monotonic() < deadline:
            if own.exists() and is_healthy(client, port):
                return
            time.sleep(POLL_SECONDS)
    ended = process.returncode
    reason = f"no answer in {READY_SECONDS:.0f} s" if ended is None else f"ended with {ended}"
    raise StepFailed(NAME, log, reason)


def is_healthy(client: httpx.Client, port: int) -> bool:
    """Return whether the emulator reports itself healthy."""
    try:
        return client.get(f"http://{HOST}:{port}/_ministack/health").is_success
    except httpx.HTTPError:
        return False
