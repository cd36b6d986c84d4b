"""Fills what the emulator keeps of the past, patched: a program for its environment.

Prints the bytes that it holds after each of several equal loads.
"""

import gc
import tracemalloc
from typing import Any

from serval_cli.local.launcher.emulator import Emulator
from serval_cli.local.launcher.patches import retention

LOADS = 4
FUNCTION = {
    "FunctionName": "infer",
    "FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:infer",
    "LoggingConfig": {"LogGroup": "infer-log"},
}


def load(emulator: Emulator) -> None:
    """Do as much as fills each of the bounds, and more."""
    for number in range(4000):
        emulator.lambda_svc._emit_lambda_logs(FUNCTION, f"{number}", "one line\nanother", False, 1)
        emulator.eventbridge._events_log_list().append({"Detail": f"{number}"})
    for number in range(retention.METRIC_POINTS):
        dimensions = {"Model": "iris"}
        emulator.cloudwatch._store_datum(
            "Serval", "Latency", dimensions, number, "None", None, [number + 0.5], [1.0], None
        )
    for _ in range(retention.HISTORIES):
        execution: dict[str, Any] = {"events": []}
        for number in range(20):
            emulator.stepfunctions._add_event(execution, "TaskSucceeded", {"output": f"{number}"})
        emulator.stepfunctions._add_event(execution, "ExecutionSucceeded", {"output": "{}"})
        emulator.stepfunctions._executions[f"{id(execution)}"] = execution


def main() -> None:
    emulator = Emulator.load()
    emulator.require(retention.NAMES)
    retention.apply(emulator)
    tracemalloc.start()
    for _ in range(LOADS):
        load(emulator)
        gc.collect()
        print(tracemalloc.get_traced_memory()[0])


if __name__ == "__main__":
    main()
