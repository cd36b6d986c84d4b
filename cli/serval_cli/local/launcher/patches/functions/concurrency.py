"""Let invocations of a function above a limit wait for a worker."""

import threading
from collections import defaultdict
from typing import Any

from serval_cli.local.launcher.emulator import Emulator

NAMES = ("lambda_svc/_execute_function_warm",)


def apply(emulator: Emulator, limit: int) -> None:
    """Run at most ``limit`` invocations of each function at a time.

    Each function has a limit of its own, so that one function may wait for another.
    """
    execute = emulator.lambda_svc._execute_function_warm
    turns: defaultdict[str, threading.Semaphore] = defaultdict(lambda: threading.Semaphore(limit))
    registered = threading.Lock()

    def in_turn(func: dict[str, Any], event: Any, request_id: str) -> Any:
        with registered:
            turn = turns[str((func.get("config") or func).get("FunctionArn"))]
        with turn:
            return execute(func, event, request_id)

    emulator.lambda_svc._execute_function_warm = in_turn
