"""Report exceptions as Lambda does, with type and stack, and let the worker live on."""

import threading
from typing import Any

from serval_cli.local.launcher.emulator import Emulator, WrongEmulator

NAMES = (
    "lambda_runtime/Worker/invoke",
    "lambda_runtime/_PYTHON_WORKER_SCRIPT",
    "lambda_svc/_execute_function_warm",
)
REPORTED = 'json.dumps({"status": "error", "error": str(e), "trace": traceback.format_exc()})'
"""The worker's report of an exception, after which the emulator ends the worker."""
INSTEAD = (
    'json.dumps({"status": "ok", "result": None, "trace": "[ERROR] " + traceback.format_exc(), '
    '"failure": {'
    '"errorMessage": str(e), "errorType": type(e).__name__, '
    '"stackTrace": traceback.format_tb(e.__traceback__)[1:]}})'
)


def apply(emulator: Emulator) -> None:
    """Let the worker return an exception like a result, and turn it into a failure here."""
    runtime, service = emulator.lambda_runtime, emulator.lambda_svc
    if runtime._PYTHON_WORKER_SCRIPT.count(REPORTED) != 1:
        raise WrongEmulator(f"the worker's script does not contain {REPORTED} exactly once")
    runtime._PYTHON_WORKER_SCRIPT = runtime._PYTHON_WORKER_SCRIPT.replace(REPORTED, INSTEAD)
    worker_invoke, execute = runtime.Worker.invoke, service._execute_function_warm
    last = threading.local()

    def invoke(self: Any, *args: Any, **options: Any) -> Any:
        last.reply = worker_invoke(self, *args, **options)
        return last.reply

    def report(func: dict[str, Any], event: Any, request_id: str) -> dict[str, Any]:
        last.reply = {}
        result: dict[str, Any] = execute(func, event, request_id)
        return failure_of(last.reply) if "failure" in last.reply else result

    runtime.Worker.invoke, service._execute_function_warm = invoke, report


def failure_of(reply: dict[str, Any]) -> dict[str, Any]:
    """Turn a worker's report of an exception into the result of the invocation."""
    lines = (reply.get("log", ""), reply["trace"])
    return {"error": True, "body": reply["failure"], "log": "\n".join(filter(None, lines))}
