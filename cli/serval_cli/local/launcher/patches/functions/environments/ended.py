"""Reasons why an environment ended before its function answered, in Lambda's words."""

import signal
from typing import Any


class EnvironmentEnded(Exception):
    """The environment ended, failing its current invocation."""

    error_type: str

    def reply(self, request_id: str) -> dict[str, Any]:
        """Build a reply as a worker that reports a failure would."""
        message = f"RequestId: {request_id} Error: {self}"
        return {
            "status": "ok",
            "result": None,
            "trace": f"{message}\n{self.error_type}",
            "failure": {"errorType": self.error_type, "errorMessage": message},
        }


class TimedOut(EnvironmentEnded):
    """The function took longer than its ``Timeout``."""

    error_type = "Sandbox.Timedout"

    def __init__(self, seconds: float) -> None:
        super().__init__(f"Task timed out after {seconds:.2f} seconds")


class Exited(EnvironmentEnded):
    """The process exited, or was killed for its use of memory."""

    error_type = "Runtime.ExitError"

    def __init__(self, status: int) -> None:
        super().__init__(f"Runtime {exit_reason(status)}")


def exit_reason(status: int) -> str:
    """Describe an exit status; negative ones are signals."""
    if status == 0:
        return "exited without providing a reason"
    if status > 0:
        return f"exited with error: exit status {status}"
    name = signal.strsignal(-status) or str(-status)
    return f"exited with error: signal: {name.lower()}"
