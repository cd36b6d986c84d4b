"""A last word before Lambda ends an environment.

Lambda sends SIGTERM to a runtime only if an extension is registered. An internal extension that
asks for no events is one; its thread waits for a first event that never comes.

Specification: "Lambda Extensions API" and "Lambda execution environment lifecycle".
"""

import http.client
import json
import signal
import threading
from collections.abc import Callable
from types import FrameType


def on_shutdown(runtime_api: str, act: Callable[[], object]) -> None:
    """Have ``act`` called when the environment ends; ``runtime_api`` is empty off Lambda."""

    def terminate(signum: int, frame: FrameType | None) -> None:
        act()
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, terminate)
    if runtime_api:
        extension = register_extension(runtime_api)
        threading.Thread(target=wait, args=(runtime_api, extension), daemon=True).start()


def register_extension(runtime_api: str) -> str:
    """Register an internal extension without events; gives its identifier."""
    connection = http.client.HTTPConnection(runtime_api)
    headers = {"Lambda-Extension-Name": "serval", "Content-Type": "application/json"}
    connection.request(
        "POST", "/2020-01-01/extension/register", json.dumps({"events": []}), headers
    )
    response = connection.getresponse()
    response.read()
    return response.headers["Lambda-Extension-Identifier"]


def wait(runtime_api: str, extension: str) -> None:
    """Say that the extension is ready, and wait."""
    connection = http.client.HTTPConnection(runtime_api)
    headers = {"Lambda-Extension-Identifier": extension}
    connection.request("GET", "/2020-01-01/extension/event/next", headers=headers)
    connection.getresponse().read()
