"""Runs functions in the emulator, patched, without a stage: a program for its environment.

Each line of standard input is one invocation, each line of standard output the result of one; they
run side by side.
"""

import io
import json
import sys
import threading
import zipfile
from typing import Any

from serval_cli.local.launcher.emulator import Emulator
from serval_cli.local.launcher.patches.functions import execution_limits, failures, interpreters

INIT_SECONDS = 3.0
"""Enough for functions that import nothing, and soon over."""
ANSWER = threading.Lock()


def zipped(code: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("handler.py", code)
    return buffer.getvalue()


def function(told: dict[str, Any]) -> dict[str, Any]:
    return {
        "code_zip": zipped(told["code"]),
        "config": {
            "FunctionName": told["name"],
            "FunctionArn": f"arn:aws:lambda:us-east-1:000000000000:function:{told['name']}",
            "Handler": "handler.handler",
            "Runtime": "python3.13",
            "MemorySize": told["memory"],
            "Timeout": told["timeout"],
        },
    }


def invoke(service: Any, told: dict[str, Any], answers: Any) -> None:
    invoked = function(told)
    result = service._execute_function_warm(invoked, told["event"], told["id"])
    used = service._probe_peak_memory_mb(invoked)
    with ANSWER:
        print(json.dumps({**result, "id": told["id"], "used": used}), file=answers, flush=True)


def main() -> None:
    answers, sys.stdout = sys.stdout, sys.stderr
    emulator = Emulator.load()
    interpreters.apply(emulator, {"python3.13": sys.argv[1]})
    execution_limits.apply(emulator, INIT_SECONDS)
    failures.apply(emulator)
    for line in sys.stdin:
        told = json.loads(line)
        threading.Thread(target=invoke, args=(emulator.lambda_svc, told, answers)).start()
    emulator.lambda_runtime.reset()


if __name__ == "__main__":
    main()
