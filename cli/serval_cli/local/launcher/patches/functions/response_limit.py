"""Apply Lambda's limit on the size of a response."""

import json
from typing import Any

from serval_cli.local.launcher.emulator import Emulator

NAMES = ("lambda_svc/_execute_function_warm",)
LIMIT_BYTES = 6_291_556


def apply(emulator: Emulator) -> None:
    """Fail invocations whose response exceeds the limit."""
    execute = emulator.lambda_svc._execute_function_warm

    def execute_within_limit(func: dict[str, Any], event: Any, request_id: str) -> dict[str, Any]:
        result: dict[str, Any] = execute(func, event, request_id)
        if not result.get("error") and len(json.dumps(result.get("body"))) > LIMIT_BYTES:
            return result | {"error": True, "body": TOO_LARGE}
        return result

    emulator.lambda_svc._execute_function_warm = execute_within_limit


TOO_LARGE = {
    "errorType": "Function.ResponseSizeTooLarge",
    "errorMessage": "Response payload size exceeded maximum allowed payload size "
    f"({LIMIT_BYTES} bytes).",
}
