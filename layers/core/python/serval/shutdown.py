"""Run code before Lambda ends an environment.

Lambda sends SIGTERM to a runtime only if an extension is registered. An internal extension without
events is enough: its thread waits for a first event that never comes.

Specification: "Lambda Extensions API" and "Lambda execution environment lifecycle".
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType

from serval.connections import Connection


def on_shutdown(runtime_api: str, act: Callable[[], object]) -> None:
    """Call ``act`` when the environment ends; ``runtime_api`` is empty outside Lambda."""

    def terminate(signum: int, frame: FrameType | None) -> None:
        act()
        sys.stdout.flush()
        # SystemExit might be swallowed where it is raised, and a second signal would break its way.
        os._exit(0)

    signal.signal(signal.SIGTERM, terminate)
    if runtime_api:
        extension = register_extension(runtime_api)
        threading.Thread(target=wait_for_event, args=(runtime_api, extension), daemon=True).start()


def register_extension(runtime_api: str) -> str:
    """Register an internal extension without events, and return its identifier."""
    headers = {
        "Host": runtime_api,
        "Lambda-Extension-Name": "serval",
        "Content-Type": "application/json",
    }
    body = json.dumps({"events": []}).encode()
    connection = connection_to(runtime_api)
    answer = connection.request("POST", "/2020-01-01/extension/register", headers, body)
    connection.close()
    return answer.headers["lambda-extension-identifier"]


def wait_for_event(runtime_api: str, extension: str) -> None:
    """Report the extension ready by asking for its next event, and wait."""
    headers = {"Host": runtime_api, "Lambda-Extension-Identifier": extension}
    connection_to(runtime_api).request("GET", "/2020-01-01/extension/event/next", headers)


def connection_to(runtime_api: str) -> Connection:
    """Connect to an address as Lambda writes it, ``host:port``."""
    host, _, port = runtime_api.partition(":")
    return Connection(host, int(port or 80))
